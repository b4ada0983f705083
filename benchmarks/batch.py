"""Score a Parquet file of images with `hpoe score` and with Spark: the same digits, at what cost.

    python benchmarks/images.py 1000000 images.parquet
    python benchmarks/batch.py images.parquet

Needs a champion (`make repro`); Spark is left out where it is not installed. Images a core second
are over the processor seconds of all processes, which other work on the machine hardly changes.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table

from hpoe.files import write_json

REPORT = Path("reports/benchmarks/batch.json")
SPARK = Path(__file__).parent / "spark.py"


@dataclass
class Cost:
    """What a command took."""

    seconds: float
    core_seconds: float
    peak_bytes: int
    """Resident, of the process that had most."""


def main(source: Path, workers: int = 2) -> None:
    """Print and keep a row an engine."""
    rows = pq.ParquetFile(source).metadata.num_rows
    table = Table(title=f"{rows:,} images, {workers} workers")
    for heading in ("", "s", "images/s", "images a core second", "peak MiB a process"):
        table.add_column(heading, justify="right")
    costs, labels = {}, {}
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        for name, command in engines(source, Path(folder), workers).items():
            cost = costs[name] = measure(command)
            labels[name] = pq.read_table(command[-1], columns=["id", "label"]).sort_by("id")
            figures = (rows / cost.seconds, rows / cost.core_seconds, cost.peak_bytes / 2**20)
            table.add_row(name, f"{cost.seconds:.0f}", *(f"{figure:,.0f}" for figure in figures))
    Console().print(table)
    first, *others = labels
    different = {
        name: pc.sum(pc.not_equal(labels[first]["label"], labels[name]["label"])).as_py()
        for name in others
    }
    for name, count in different.items():
        print(f"{name}: another label for {count} of {rows:,} images")
    report = {name: asdict(cost) for name, cost in costs.items()}
    write_json(REPORT, {"rows": rows, "workers": workers, "engines": report, **different})


def engines(source: Path, folder: Path, workers: int) -> dict[str, list[str]]:
    """The commands; the last argument is where the answers are."""
    script = [sys.executable, str(SPARK), f"--master=local[{workers}]"]
    commands = {
        "hpoe score": ["env", f"HPOE_WORKERS={workers}", "hpoe", "score"],
        "Spark": script if find_spec("pyspark") else [],
    }
    return {
        name: [*command, str(source), str(folder / f"{number}.parquet")]
        for number, (name, command) in enumerate(commands.items())
        if command
    }


def measure(command: list[str]) -> Cost:
    """Run a command to its end, and look at its processes all the while."""
    start = time.monotonic()
    cores: dict[int, float] = {}
    peak = 0
    with subprocess.Popen(command) as running:
        whole = psutil.Process(running.pid)
        while running.poll() is None:
            for process in [whole, *whole.children(recursive=True)]:
                try:
                    cores[process.pid] = sum(process.cpu_times()[:2])
                    peak = max(peak, process.memory_info().rss)
                except psutil.Error:
                    continue
            time.sleep(0.2)
        if running.returncode:
            sys.exit(f"{' '.join(command)} failed")
    return Cost(time.monotonic() - start, sum(cores.values()), peak)


if __name__ == "__main__":
    typer.run(main)
