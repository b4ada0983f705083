"""Other data sets with the recipe that `hpoe init` proposes, beside scikit-learn's classifiers.

Fashion-MNIST is read from the folder of its four IDX files, USPS from hpoe's own download, the
8 x 8 digits from scikit-learn. The classifiers are fitted on all images that hpoe trains on, as
they are, with one value of their hyperparameter chosen on the validation images.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks import projects
from benchmarks.measuring import console, machine, table
from hpoe.data import usps
from hpoe.data.split import labels_in, load_class
from hpoe.files import write_json
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe_recognition.normalization import unit_interval

REPORT = Path("reports/benchmarks/datasets.json")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""
PROPOSED: dict[str, dict[str, object]] = {
    "fashion": {},
    "usps": {},
    "digits": {
        "split.unsupervised_per_class": 90,
        "split.supervised_per_class": 40,
        "split.test": 0.24,
    },
}
"""What differs from the proposal, by data set."""
CHOICES = {"hpoe, no shifts": "as_given", "hpoe, as it is served": "soft"}
"""Choices among shifted images, in the report of the stage shift_normalization."""
BASELINES: dict[str, tuple[Callable[[float], ClassifierMixin], tuple[float, ...]]] = {
    "logistic regression": (
        lambda c: LogisticRegression(C=c, max_iter=500),
        (0.01, 0.03, 0.1, 0.3, 1),
    ),
    "nearest neighbours": (lambda k: KNeighborsClassifier(int(k)), (1, 3, 5)),
    "SVM": (lambda c: SVC(C=c), (1, 5, 20)),
}
"""scikit-learn's classifiers, and the values of their hyperparameter to choose from."""


@report_errors
def main(
    data: Annotated[str, typer.Argument(help="fashion, usps or digits.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1 to this.")] = 3,
    images: Annotated[Path, typer.Option(help="Fashion-MNIST's folder.")] = DEBIAN,
    baselines: Annotated[bool, typer.Option(help="Fit scikit-learn's classifiers too.")] = True,
) -> None:
    """Print and keep test errors of hpoe by seed, and of scikit-learn on the first seed's split."""
    found: dict[str, list[float]] = {name: [] for name in CHOICES}
    with TemporaryDirectory() as scratch:
        project = Path(scratch) / data
        projects.make(project, _source(data, images, Path(scratch)), PROPOSED[data])
        for seed in range(1, seeds + 1):
            projects.change(project, {"seed": seed})
            projects.repro(project, "shift_normalization")
            shifts = projects.report(project, "shift_normalization.json")
            for name, choice in CHOICES.items():
                found[name].append(shifts[choice]["test_error_rate"])
            if baselines and seed == 1:
                found |= {name: [error] for name, error in _baselines(project / "data/split")}
    shown = table(f"Test errors, {data}", "classifier", "mean", "by seed", left=("classifier",))
    for name, errors in found.items():
        shown.add_row(name, f"{mean(errors):.2%}", ", ".join(f"{error:.2%}" for error in errors))
    console.print(shown)
    write_json(
        REPORT.with_stem(f"datasets_{data}"),
        {"machine": machine(load_settings().workers), "errors": found},
    )


def _source(data: str, images: Path, scratch: Path) -> Path:
    """Return the folder or file of a data set that `hpoe init` can be given."""
    if data == "fashion":
        return images
    if data == "digits":
        return _digits(scratch / "pictures")
    if data != "usps":
        raise typer.BadParameter(f"{data} is none of fashion, usps and digits")
    usps.fetch(scratch / "raw", load_settings().usps_dir, console.print)
    read = usps.load(scratch / "raw")
    arrays = zip(("x_train", "y_train", "x_test", "y_test"), vars(read).values(), strict=True)
    np.savez(scratch / "usps.npz", allow_pickle=False, **dict(arrays))
    return scratch / "usps.npz"


def _digits(folder: Path) -> Path:
    """Save scikit-learn's digits as pictures, one folder per class."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image.reshape(8, 8) * 255 / 16).astype(np.uint8)).save(path)
    return folder


def _baselines(split: Path) -> Iterator[tuple[str, float]]:
    """Yield the test error of each classifier, fitted on all images but the test set's."""
    sets = {
        name: _labelled(split, *parts)
        for name, parts in {
            "train": ("unsupervised", "fit"),
            "validation": ("validation",),
            "test": ("test",),
            "all": ("unsupervised", "fit", "validation"),
        }.items()
    }
    for name, (make, values) in BASELINES.items():
        errors = {
            value: _error(make(value).fit(*sets["train"]), sets["validation"]) for value in values
        }
        chosen = min(errors, key=lambda value: errors[value])
        yield f"{name} ({chosen:g})", _error(make(chosen).fit(*sets["all"]), sets["test"])


def _labelled(split: Path, *names: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    parts = [
        (label, getattr(load_class(split, label), name))
        for label in labels_in(split)
        for name in names
    ]
    labels = np.concatenate([np.full(len(part), label) for label, part in parts])
    return unit_interval(np.concatenate([part for _, part in parts])), labels


def _error(fitted: ClassifierMixin, images: tuple[NDArray[np.float32], NDArray[np.str_]]) -> float:
    return float(np.mean(fitted.predict(images[0]) != images[1]))


if __name__ == "__main__":
    typer.run(main)
