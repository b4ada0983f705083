"""The served system, assembled from the pipeline's files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import ClassImages, labels_in, load_class
from hpoe.evaluation.scoring import LAYERS
from hpoe.method.classifier import Fit
from hpoe.params import Network as NetworkParams
from hpoe.params import Refusal
from hpoe.registration.edges import ENOUGH, fit_edges
from hpoe.registration.observing import fitted_on, joined, observed
from hpoe.registration.refusal import fit_known_score
from hpoe.registration.sampling import sample
from hpoe.registration.source import Images
from hpoe.tensors import load_tensors
from hpoe.training.tasks import weights_path
from hpoe_recognition.formats import Format
from hpoe_recognition.networks import Layer, Network, stacked
from hpoe_recognition.normalization import SHIFTS
from hpoe_recognition.recogniser import Recogniser, System

REMEDY = "delete it and run `dvc repro` to make it again"


def assemble(
    split: Path,
    models: Path,
    networks: Mapping[str, NetworkParams],
    fit: Fit,
    temperature: float,
    form: Format,
) -> System:
    """Assemble the system that shift normalisation evaluated, without a known score.

    Args:
        split: the pipeline's folder of images.
        models: its folder of weights.
        networks: recipes of the networks whose scores are averaged.
        fit: the net on those scores.
        temperature: of the soft choice among shifts, nats.
        form: the images' format.

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
        format=form,
        networks={name: stacked(rbms[name], recipe.images) for name, recipe in networks.items()},
        offsets=SHIFTS,
        temperature=temperature,
        net=fit.net,
        validation_net=fit.validation_net,
    )


def teach_refusal(
    system: System, split: Path, params: Refusal, seed: int, workers: int
) -> tuple[Recogniser, int]:
    """Fit typicality and the known score, and choose an example of each class.

    The known score is fitted on images of the known classes, as they are and redrawn, against
    outliers made from them, and against the same images with their own class withheld. Its
    threshold is set on held-out images, as judged by the net that was not fitted on them. The edge
    densities are fitted on unsupervised images. Typicality is measured on the supervised set, which
    no RBM has seen.

    Returns:
        The recogniser, and the number of held-out images on which its threshold rests.
    """
    classes = [load_class(split, label) for label in system.labels]
    edges = fit_edges([system.network_input(each.unsupervised[:ENOUGH]) for each in classes])
    chosen = sample(classes)
    typical, examples = _typical(system, classes, workers)
    fitted = fitted_on(system, edges, chosen, params, seed, workers)
    without_held_out = replace(system, net=system.validation_net)
    held_out = observed(without_held_out, edges, chosen.held_out.images, workers)
    outliers = joined(fitted.outliers.values())
    score = fit_known_score(params, edges, fitted.known, outliers, fitted.withheld, held_out, seed)
    return Recogniser(system, typical, score, examples), len(chosen.held_out)


def _typical(
    system: System, classes: Sequence[ClassImages], workers: int
) -> tuple[NDArray[np.float64], Images]:
    """Return the goodness of each class's own images under its layer 1, and a usual image.

    The goodness is ascending, nats, [D, K]; K is the largest number of images, and the values of
    classes with fewer are repeated evenly. The image is the one of `fit` nearest to the median.
    """
    tasks = [
        (_alone(system, at), np.concatenate([each.fit, each.validation]))
        for at, each in enumerate(classes)
    ]
    found = run_in_order(_own_goodness, tasks, workers)
    most = max(map(len, found))
    examples = [
        each.fit[np.abs(own[: len(each.fit)] - np.median(own)).argmin()]
        for own, each in zip(found, classes, strict=True)
    ]
    ascending = [np.sort(own)[np.arange(most) * len(own) // most] for own in found]
    return np.stack(ascending), np.stack(examples)


def _own_goodness(task: tuple[System, Images]) -> NDArray[np.float64]:
    system, images = task
    goodness: NDArray[np.float64] = system.scores(images)[:, 0]
    return goodness


def _alone(system: System, position: int) -> System:
    """Return a system of one class, for its scores alone."""
    only = slice(position, position + 1)
    networks = {
        name: Network(
            tuple(
                Layer(layer.weights[only], layer.visible_biases[only], layer.hidden_biases[only])
                for layer in network.layers
            ),
            network.images,
        )
        for name, network in system.networks.items()
    }
    return replace(system, labels=system.labels[only], networks=networks)
