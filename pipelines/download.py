"""Stage download: MNIST's four IDX files, verified, under data/raw."""

from hpoe.data import mnist
from hpoe.execution.pipeline import RAW
from hpoe.execution.stage import report_errors, stage


@report_errors
def main() -> None:
    """Fetch what is not there yet."""
    with stage("download") as running:
        mnist.fetch(RAW, running.settings.mnist_dir, running.say)
        running.say("MNIST is complete and its SHA-256 digests are right")


if __name__ == "__main__":
    main()
