"""Score a Parquet file of images with the champion on Spark, as `hpoe score` does on one machine.

    pip install 'hpoe[spark]'
    python benchmarks/spark.py images.parquet answers.parquet --master 'local[2]'

Needs Java 17. The answers are a folder of Parquet files in no order: rows need a key.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import mlflow
import typer
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct

from hpoe.registration.registry import CHAMPION
from hpoe.settings import load_settings
from hpoe.tracking.store import project_name, tracking_uri

IMAGES_A_BATCH = 1000
"""Images that Spark passes to Python at once: few, to save memory."""


def main(
    source: Path,
    target: Path,
    master: Annotated[str, typer.Option(help="Spark's master.")] = "local[2]",
) -> None:
    """Write the answer to every image, next to the other columns."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # where the model's requirements are
    mlflow.set_tracking_uri(tracking_uri(load_settings().tracking_uri))
    spark = (
        SparkSession.builder.master(master)
        .appName("hpoe score")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", IMAGES_A_BATCH)
        .config("spark.sql.files.maxPartitionBytes", "16m")
        .getOrCreate()
    )
    try:
        model = mlflow.pyfunc.spark_udf(
            spark, f"models:/{project_name()}@{CHAMPION}", env_manager="local"
        )
        images = spark.read.parquet(str(source))
        answered = images.withColumn("answer", model(struct("image")))
        answered.select("*", "answer.*").drop("image", "answer").write.parquet(str(target))
    finally:
        spark.stop()


if __name__ == "__main__":
    typer.run(main)
