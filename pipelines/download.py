"""Stage download: fetch MNIST's or USPS's files to data/raw and verify them."""

from pathlib import Path

from hpoe.data import mnist, usps
from hpoe.errors import DataError
from hpoe.execution.pipeline import RAW
from hpoe.execution.stage import stage
from hpoe.params import load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings


@report_errors
def main() -> None:
    """Fetch the files that are missing; a source that has a path is read where it is."""
    data, settings = load_params().data, load_settings()
    files = {"mnist": mnist, "usps": usps}.get(data.source)
    if settings.restore_only and (files is None or files.is_complete(RAW)):
        return  # DVC runs this stage again, because it restores no output that persists
    with stage("download") as running:
        if data.source == "mnist":
            mnist.fetch(RAW, settings.mnist_dir, running.say)
        elif data.source == "usps":
            usps.fetch(RAW, settings.usps_dir, running.say)
        else:
            _check(Path(data.path or "").expanduser())
            RAW.mkdir(parents=True, exist_ok=True)
            running.say(f"nothing to fetch: the images are read from {data.path}")
            return
        running.say(f"{data.source.upper()} is complete, and its SHA-256 digests are correct")


def _check(path: Path) -> None:
    if not path.exists():
        raise DataError(f"data.path is {path}, which does not exist: set it in params.yaml")


if __name__ == "__main__":
    main()
