"""Small random systems that recognise 28 x 28 images of three classes."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.params import Refusal
from hpoe.registration.edges import fit_edges
from hpoe.registration.refusal import fit_known_score
from hpoe.registration.registry import Registry
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.formats import MNIST
from hpoe_recognition.images import base64_png
from hpoe_recognition.known_score import Features, features
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import stacked
from hpoe_recognition.normalization import SHIFTS, Preparation
from hpoe_recognition.recogniser import Recogniser, System

LABELS = ("2", "10", "<b>שלום</b> 🙂")
SIDE = 28
UNITS = (SIDE * SIDE, 9, 6, 4)
REFUSAL = Refusal(
    outliers_per_kind=3,
    hidden_units=5,
    weight_decay=0.0001,
    epochs=20,
    refused_known=0.05,
)


def system(seed: int = 0, how: Preparation = "as_given") -> System:
    """Random RBMs and nets; `how` is what the RBMs are asked about."""
    rng = np.random.default_rng(seed)

    def array(*shape: int) -> NDArray[np.float32]:
        return (0.2 * rng.standard_normal(shape)).astype(np.float32)

    parts = [
        [
            {
                "weights": array(below, above),
                "visible_biases": array(below),
                "hidden_biases": array(above),
            }
            for _ in LABELS
        ]
        for below, above in itertools.pairwise(UNITS)
    ]
    weights = rng.standard_normal((2, 3 * len(LABELS), len(LABELS)))
    nets = [LogisticNet(each, np.zeros(len(LABELS))) for each in weights]
    of = System(LABELS, MNIST, {"tiny": stacked(parts, how)}, SHIFTS, 2.0, nets[0], nets[1])
    usual = of.scores(images(50)).mean(axis=0)
    nets = [LogisticNet(each, -usual @ each) for each in weights]  # so that it finds all classes
    return replace(of, net=nets[0], validation_net=nets[1])


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random figures with a black border."""
    rng = np.random.default_rng(seed)
    made = np.zeros((count, SIDE, SIDE), np.uint8)
    made[:, 5:23, 6:22] = rng.integers(0, 256, (count, 18, 16)) * rng.integers(
        0, 2, (count, 18, 16)
    )
    return made


def placed_images(count: int) -> NDArray[np.uint8]:
    """Random figures placed as MNIST's digits are: as long, and with their centre in the middle."""
    rng = np.random.default_rng(0)
    made = np.zeros((count, SIDE, SIDE), np.uint8)
    made[:, 4:24, 6:22] = rng.integers(0, 256, (count, 20, 16))
    return np.maximum(made, made[:, ::-1, ::-1])


@cache
def edges() -> EdgeDensities:
    """Fitted on random figures, others for each class."""
    return fit_edges([images(60, 20 + position) for position in range(len(LABELS))])


def observed(of: System, made: NDArray[np.uint8]) -> Features:
    """What the known score rests on, for some images."""
    return features(of.evidence(made), edges())


@cache
def recogniser(seed: int = 0, how: Preparation = "as_given") -> Recogniser:
    """A system with a known score fitted on random figures against fainter ones."""
    of = system(seed, how)
    known, others, held_out = (
        observed(of, made) for made in (images(90, 1), images(60, 2) // 2, images(50, 3))
    )
    score = fit_known_score(REFUSAL, edges(), [known], others, None, held_out, seed)
    goodness = of.scores(images(90, 1))
    typical = np.sort(goodness[:, :: len(UNITS) - 1].T, axis=1)
    return Recogniser(of, typical, score, images(len(LABELS), 4))


def registered(registry: Registry) -> int:
    """Register a small recogniser; its version."""
    import mlflow

    if (experiment := mlflow.get_experiment_by_name("hpoe-digits")) is None:
        folder = registry.uri.removeprefix("sqlite:///").rpartition("/")[0]
        mlflow.create_experiment("hpoe-digits", artifact_location=f"{folder}/artifacts")
        experiment = mlflow.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    with mlflow.start_run(experiment_id=experiment.experiment_id) as run:
        pass
    nothing = pd.DataFrame({"image": [0], "label": LABELS[:1], "prediction": LABELS[1:2]})
    return registry.add(run.info.run_id, recogniser(), nothing, base64_png(images(1)[0]), {})
