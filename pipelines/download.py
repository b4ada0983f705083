"""Stage download: fetch MNIST's four IDX files to data/raw and verify them."""

from hpoe.data import mnist
from hpoe.execution.pipeline import RAW
from hpoe.execution.stage import stage
from hpoe.reporting import report_errors
from hpoe.settings import load_settings


@report_errors
def main() -> None:
    """Fetch the files that are missing."""
    if load_settings().restore_only and mnist.is_complete(RAW):
        return  # DVC runs this stage again, because it restores no output that persists
    with stage("download") as running:
        mnist.fetch(RAW, running.settings.mnist_dir, running.say)
        running.say("MNIST is complete, and its SHA-256 digests are correct")


if __name__ == "__main__":
    main()
