"""What the benchmarks share: data, a clock, tables, and a description of the machine."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import joblib
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info

from hpoe.data.division import make_split
from hpoe.data.fetching import fetch_source
from hpoe.execution.pipeline import RAW
from hpoe.params import Params
from hpoe.settings import Settings

console = Console(width=110)
"""Wide enough for the tables even where the output is not a terminal."""
Result = TypeVar("Result")


def timed(
    work: Callable[[], Result], clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Result]:
    """Run some work; return the seconds it takes by a clock, and its result."""
    start = clock()
    result = work()
    return clock() - start, result


def split_into(folder: Path, params: Params, settings: Settings) -> None:
    """Write the pipeline's own split, so that no stage needs to have run."""
    fetch_source(params.data.source, RAW, settings, console.print)
    make_split(
        folder,
        params.data,
        params.split,
        params.seed,
        raw=RAW,
        workers=settings.workers,
        say=console.print,
    )


def table(title: str, *headings: str, left: tuple[str, ...] = ()) -> Table:
    """Make an empty table; columns are aligned to the right, except those named in `left`."""
    empty = Table(title=title)
    for heading in headings:
        empty.add_column(heading, justify="left" if heading in left else "right")
    return empty


def machine(workers: int) -> dict[str, Any]:
    """Describe what the figures depend on; the load tells whether the machine was quiet."""
    kernels = {
        Path(library["filepath"]).name: library["architecture"]
        for library in threadpool_info()
        if library.get("architecture")
    }
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": joblib.cpu_count(),
        "workers": workers,
        "openblas_kernels": kernels,
        "load_average": os.getloadavg()[0],
    }
