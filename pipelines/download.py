"""Stage download: fetch MNIST's four IDX files to data/raw and verify them."""

from hpoe.data import mnist
from hpoe.execution.pipeline import RAW
from hpoe.execution.stage import stage
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Fetch the files that are missing."""
    with stage("download") as running:
        mnist.fetch(RAW, running.settings.mnist_dir, running.say)
        running.say("MNIST is complete, and its SHA-256 digests are correct")


if __name__ == "__main__":
    main()
