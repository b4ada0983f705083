"""Stage split: divide MNIST into unsupervised, fit, validation and test images per digit."""

from hpoe.data import mnist
from hpoe.data.split import save_split
from hpoe.execution.pipeline import RAW, SPLIT
from hpoe.execution.stage import stage
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Split MNIST as described in section 3."""
    with stage("split") as running:
        sizes = running.params.split
        save_split(SPLIT, mnist.load(RAW), sizes)
        running.say(
            f"{sizes.unsupervised_per_class} unsupervised and {sizes.supervised_per_class} "
            f"supervised images per digit, {sizes.test_images} test images"
        )


if __name__ == "__main__":
    main()
