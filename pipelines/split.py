"""Stage split: read the images of a source, and divide each class's into four sets."""

from hpoe.data.division import make_split
from hpoe.execution.pipeline import RAW, SPLIT
from hpoe.execution.stage import stage
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Prepare the images, and split them as params.yaml says."""
    with stage("split") as running:
        params, workers = running.params, running.settings.workers
        sizes, seed = params.split, params.seed
        labels = make_split(
            SPLIT, params.data, sizes, seed, raw=RAW, workers=workers, say=running.say
        )
        running.say(
            f"{len(labels)} classes; per class, {_share(sizes.unsupervised_per_class)} "
            f"unsupervised and {_share(sizes.supervised_per_class)} supervised"
        )


def _share(amount: float) -> str:
    return f"{amount:,} images" if isinstance(amount, int) else f"{amount:.0%} of the images"


if __name__ == "__main__":
    main()
