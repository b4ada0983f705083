"""The pipeline's own split of MNIST, made for a benchmark so that no stage need have run."""

from pathlib import Path

from rich.console import Console

from hpoe.data.mnist import fetch, load
from hpoe.data.split import save_split
from hpoe.execution.pipeline import RAW
from hpoe.params import Params
from hpoe.settings import Settings

console = Console(width=110)
"""Wide enough for the tables, also where the output is not a terminal."""


def split_into(folder: Path, params: Params, settings: Settings) -> None:
    """A file a digit."""
    fetch(RAW, settings.mnist_dir, console.print)
    save_split(folder, load(RAW), params.split)
