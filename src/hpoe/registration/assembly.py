"""The served system, assembled from the pipeline's files."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.scoring import LAYERS
from hpoe.method.classifier import Fit
from hpoe.method.randomness import generator
from hpoe.params import Network as NetworkParams
from hpoe.params import Refusal
from hpoe.registration.outliers import Images, Source, outliers, redrawn
from hpoe.registration.refusal import fit_digit_score, fit_edges
from hpoe.tensors import load_tensors
from hpoe.training.tasks import weights_path
from hpoe_recognition.digit_score import Evidence
from hpoe_recognition.networks import stacked
from hpoe_recognition.normalization import SHIFTS
from hpoe_recognition.recogniser import Recogniser, System

REMEDY = "delete it and run `dvc repro` to make it again"
BATCH = 500
"""Images per task."""


def assemble(
    split: Path, models: Path, networks: Mapping[str, NetworkParams], fit: Fit, temperature: float
) -> System:
    """Assemble the system that shift normalisation evaluated, without a digit score.

    Args:
        split: the pipeline's folder of images.
        models: its folder of weights.
        networks: recipes of the networks whose scores are averaged.
        fit: the net on those scores.
        temperature: of the soft choice among shifts, nats.

    Raises:
        WeightsError: a weights file is missing, damaged or of another format version.
    """
    labels = labels_in(split)
    rbms = {
        name: [
            [load_tensors(weights_path(models, name, layer, label), REMEDY)[0] for label in labels]
            for layer in LAYERS
        ]
        for name in networks
    }
    return System(
        labels=tuple(labels),
        networks={name: stacked(rbms[name], recipe.images) for name, recipe in networks.items()},
        offsets=SHIFTS,
        temperature=temperature,
        net=fit.net,
        validation_net=fit.validation_net,
    )


def teach_refusal(
    system: System, split: Path, params: Refusal, seed: int, workers: int
) -> Recogniser:
    """Fit typicality and the digit score.

    The digit score is fitted on the supervised set's first half and some unsupervised images, as
    they are and redrawn, against outliers made from that half; its threshold on the other half.
    The edge densities are fitted on all unsupervised images. Typicality is measured on both halves,
    which no RBM has seen.
    """
    arrays = [load_class(split, label) for label in system.labels]
    first, second = (
        np.concatenate([getattr(each, half) for each in arrays]) for half in ("fit", "validation")
    )
    labels = np.repeat(system.labels, [len(each.fit) for each in arrays])
    source = Source(first, labels, generator(seed, "register", 0, 0, "outliers"))
    more = [each.unsupervised[: params.digits_per_class] for each in arrays]
    digits, validation = in_batches(np.concatenate([first, *more])), in_batches(second)
    # Generators: these are drawn while the models score the images before them.
    made = outliers(source, params.outliers_per_kind)
    again = (redrawn(batch, source.rng) for batch in digits)
    batches = chain(validation, digits, made, again)
    found = iter(run_in_order(system.evidence, batches, workers))
    held_out = joined(islice(found, len(validation)))
    as_they_are = [*islice(found, len(digits))]
    strangers = joined(islice(found, len(source.kinds)))
    fitted = joined([*as_they_are, *found])
    edges = fit_edges([system.network_input(each.unsupervised) for each in arrays])
    score = fit_digit_score(params, edges, fitted, strangers, held_out, seed)
    halves = (fitted.goodness[: len(first)], held_out.goodness)
    return Recogniser(system, _typical(halves, len(system.labels)), score)


def in_batches(images: Images) -> list[Images]:
    """Cut images [N, rows, columns] into batches for tasks."""
    return np.array_split(images, max(1, len(images) // BATCH))


def joined(parts: Iterable[Evidence]) -> Evidence:
    """Join the evidence on several batches."""
    every = [*parts]
    names = [field.name for field in fields(Evidence)]
    return Evidence(*(np.concatenate([getattr(part, name) for part in every]) for name in names))


def _typical(halves: Iterable[NDArray[np.float64]], n_classes: int) -> NDArray[np.float64]:
    """Return the layer-1 goodness of each class's own images, ascending, nats, [D, K].

    Each half is goodness [N, M] of as many images of every class, class by class.
    """
    by_class = np.concatenate(
        [half[:, :: len(LAYERS)].reshape(n_classes, -1, n_classes) for half in halves], axis=1
    )
    return np.stack([np.sort(by_class[at, :, at]) for at in range(n_classes)])
