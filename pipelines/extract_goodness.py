"""Stage extract_goodness: the scores of every labelled image under one network."""

import pandas as pd
import typer

from hpoe.data.split import labels_in
from hpoe.evaluation.scoring import labelled_images, score_names, score_network
from hpoe.execution.pipeline import GOODNESS, MODELS, SPLIT
from hpoe.execution.stage import split_datasets, stage
from hpoe.files import write_table
from hpoe.reporting import report_errors
from hpoe_recognition.normalization import Versions


@report_errors
def main(network: str) -> None:
    """Score fit, validation and test images."""
    with stage("extract_goodness", network) as running:
        running.run.tags["network"] = network
        versions = Versions(running.params.networks[network].images)
        (scores,) = score_network(network, SPLIT, MODELS, running.settings.workers, versions)
        images, _ = labelled_images(SPLIT)
        table = images.join(pd.DataFrame(scores, columns=score_names(SPLIT)))
        write_table(GOODNESS / f"{network}.parquet", table)
        running.run.datasets = split_datasets(labels_in(SPLIT), "evaluation")
        running.say(f"{len(table)} images scored by {scores.shape[1]} models of {network}")


if __name__ == "__main__":
    typer.run(main)
