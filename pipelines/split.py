"""Stage split: read the images of a source, and divide each class's into four sets."""

from hpoe.data.division import make_split
from hpoe.execution.pipeline import RAW, SPLIT
from hpoe.execution.stage import stage
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Prepare the images, and split them as params.yaml says."""
    with stage("split") as running:
        params = running.params
        counts = make_split(
            *(SPLIT, params.data, params.split, params.seed),
            raw=RAW,
            workers=running.settings.workers,
            say=running.say,
        )
        unsupervised, fit, validation, test = map(sum, zip(*counts.values(), strict=True))
        running.say(
            f"{len(counts)} classes: {unsupervised:,} images unsupervised, "
            f"{fit + validation:,} supervised, {test:,} test images"
        )


if __name__ == "__main__":
    main()
