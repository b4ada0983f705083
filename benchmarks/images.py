"""Make a Parquet file of many images for `hpoe score` and Spark: perturbed MNIST test images.

    python benchmarks/images.py 1000000 images.parquet

Each image is moved by up to two pixels and dimmed to at least 70 %: a hundred copies, no two alike.
Columns: id, label, image (base64 of a PNG file).
"""

from collections.abc import Iterator
from itertools import count, islice, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray

from hpoe.data.mnist import load
from hpoe.files import replacing
from hpoe_recognition.images import base64_png
from hpoe_recognition.normalization import shift

RAW = Path("data/raw")
ROWS_AT_ONCE = 10_000
MOVES = sorted(product(range(-2, 3), range(-2, 3)), key=lambda move: sum(map(abs, move)))
"""Pixels by rows and columns, the smallest first."""
BRIGHTNESS = (1.0, 0.9, 0.8, 0.7)
SCHEMA = pa.schema([("id", pa.int64()), ("label", pa.int64()), ("image", pa.string())])


def main(rows: int, target: Path) -> None:
    """Write a number of rows."""
    mnist = load(RAW)
    with replacing(target) as path, pq.ParquetWriter(path, SCHEMA) as writer:
        numbered = zip(count(), perturbed(mnist.test_images, mnist.test_labels), strict=False)
        left = islice(numbered, rows)
        while part := list(islice(left, ROWS_AT_ONCE)):
            made = [
                {"id": number, "label": label, "image": base64_png(image)}
                for number, (image, label) in part
            ]
            writer.write_table(pa.Table.from_pylist(made, SCHEMA))


def perturbed(
    images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield all images moved and dimmed in one way, then in the next, and so on."""
    for brightness, move in product(BRIGHTNESS, MOVES):
        changed = (shift(images, move) * brightness).astype(np.uint8)
        yield from zip(changed, map(int, labels), strict=True)


if __name__ == "__main__":
    typer.run(main)
