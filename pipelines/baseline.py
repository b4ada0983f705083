"""Stage baseline: one of Table 1's other methods, on this method's images and on all of MNIST's."""

import time

import numpy as np
import typer
from numpy.typing import NDArray

from hpoe.data.mnist import load
from hpoe.data.split import labels_in, load_class
from hpoe.errors import ParamsError
from hpoe.execution.pipeline import PAPER, RAW, SPLIT
from hpoe.execution.stage import stage
from hpoe.files import write_json
from hpoe.reporting import report_errors
from hpoe_recognition.normalization import unit_interval


@report_errors
def main(method: str) -> None:
    """Train on both training sets, and report errors on the test images."""
    from hpoe.paper.baselines import BASELINES, parameters

    if method not in BASELINES:
        raise ParamsError(f"there is no baseline {method!r}: choose from {', '.join(BASELINES)}")
    baseline, figures = BASELINES[method], {}
    with stage("baseline", method) as running:
        mnist, (test_images, test_labels) = load(RAW), _parts("test")
        training_sets = {
            "balanced": _parts("unsupervised", "fit", "validation"),
            "standard": (unit_interval(mnist.train_images), mnist.train_labels.astype(str)),
        }
        for name, (images, labels) in training_sets.items():
            estimator = baseline.make(running.params.seed)
            start = time.perf_counter()
            estimator.fit(images, labels)
            trained = time.perf_counter()
            wrong = float(np.mean(estimator.predict(test_images) != test_labels))
            figures[name] = {
                "images": len(images),
                "test_error_rate": wrong,
                "train_seconds": trained - start,
                "test_seconds": time.perf_counter() - trained,
                "parameters": parameters(estimator),
            }
            running.run.metrics |= {f"{name}_{key}": value for key, value in figures[name].items()}
            running.say(f"{baseline.title}, {len(images)} images: test error {wrong:.2%}")
        write_json(PAPER / f"baseline_{method}.json", figures)


def _parts(*names: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Read the images of some of the split's sets, and their labels."""
    arrays = {digit: load_class(SPLIT, digit) for digit in labels_in(SPLIT)}
    parts = [(digit, getattr(each, name)) for digit, each in arrays.items() for name in names]
    labels = np.concatenate([np.full(len(part), digit) for digit, part in parts])
    return unit_interval(np.concatenate([part for _, part in parts])), labels


if __name__ == "__main__":
    typer.run(main)
