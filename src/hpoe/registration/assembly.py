"""The served system, put together from the pipeline's files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path

import numpy as np

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import digits_in, load_digit
from hpoe.evaluation.scoring import LAYERS
from hpoe.method.classifier import Fit
from hpoe.method.randomness import generator
from hpoe.params import Network as NetworkParams
from hpoe.params import Refusal
from hpoe.registration.outliers import KINDS, Images, Source, outliers, redrawn
from hpoe.registration.refusal import fit_digit_score, fit_edges
from hpoe.tensors import load_tensors
from hpoe_recognition.digit_score import Seen
from hpoe_recognition.networks import Network, stacked
from hpoe_recognition.normalization import SHIFTS, Preparation
from hpoe_recognition.recogniser import Recogniser, System

REMEDY = "delete it and run `dvc repro` to make it again"
IMAGES_A_TASK = 500


@dataclass(frozen=True)
class Task:
    """Ask the models about some images."""

    system: System
    images: Images


def assemble(
    split: Path, models: Path, networks: Mapping[str, NetworkParams], fit: Fit, temperature: float
) -> System:
    """The system that shift normalisation evaluated, yet without a digit score.

    Args:
        split: the pipeline's folder of images.
        models: its folder of weights.
        networks: recipes of the networks whose scores are averaged.
        fit: the net on those scores.
        temperature: of the soft choice among shifts, nats.

    Raises:
        WeightsError: a weights file is missing, damaged or of another format version.
    """
    digits = digits_in(split)
    return System(
        digits=tuple(digits),
        networks={
            name: _network(models / name, digits, recipe.images)
            for name, recipe in networks.items()
        },
        offsets=SHIFTS,
        temperature=temperature,
        net=fit.net,
        validation_net=fit.validation_net,
    )


def teach_refusal(
    system: System, split: Path, params: Refusal, seed: int, workers: int
) -> Recogniser:
    """The same system, able to say how typical an image is and whether it looks like a digit.

    The digit score is fitted on the supervised set's first half and some of the unsupervised
    images, as they are and redrawn, and on outliers made from the half; its threshold on the other
    half. Its edges are those of all unsupervised images. How typical an image is, both halves say:
    no RBM has seen them.
    """
    arrays = [load_digit(split, digit) for digit in system.digits]
    first, second = (
        np.concatenate([getattr(each, half) for each in arrays]) for half in ("fit", "validation")
    )
    labels = np.repeat(np.arange(len(arrays)), [len(each.fit) for each in arrays])
    source = Source(first, labels, generator(seed, "register", 0, 0, "outliers"))
    more = [each.unsupervised[: params.digits_per_class] for each in arrays]
    digits, validation = in_parts(np.concatenate([first, *more])), in_parts(second)
    # Made while the models are asked about what is there already.
    made = outliers(source, params.outliers_per_kind)
    again = (redrawn(part, source.rng) for part in digits)
    seen = iter(see(system, chain(validation, digits, made, again), workers))
    held_out = together(islice(seen, len(validation)))
    as_they_are = [*islice(seen, len(digits))]
    strangers = together(islice(seen, len(KINDS)))
    fitted = together([*as_they_are, *seen])
    edges = fit_edges([system.seen(each.unsupervised) for each in arrays])
    score = fit_digit_score(params, edges, fitted, strangers, held_out, seed)
    own = np.concatenate(
        [
            goodness[:, :: len(LAYERS)].reshape(len(arrays), -1, len(arrays))
            for goodness in (fitted.goodness[: len(first)], held_out.goodness)
        ],
        axis=1,
    )
    typical = np.stack([np.sort(own[digit, :, digit]) for digit in range(len(arrays))])
    return Recogniser(system, typical, score)


def see(system: System, images: Iterable[Images], workers: int) -> list[Seen]:
    """What the models say of each of some arrays [N, rows, columns], by several processes.

    They are asked for one by one, as processes are free.
    """
    return run_in_order(_see, (Task(system, part) for part in images), workers)


def in_parts(images: Images) -> list[Images]:
    """Images [N, rows, columns] in arrays that suit a task."""
    return np.array_split(images, max(1, len(images) // IMAGES_A_TASK))


def together(parts: Iterable[Seen]) -> Seen:
    """What the models say of the images of all parts."""
    every = [*parts]
    return Seen(
        *(np.concatenate([getattr(part, field.name) for part in every]) for field in fields(Seen))
    )


def _see(task: Task) -> Seen:
    return task.system.see(task.images, task.system.scores(task.images))


def _network(folder: Path, digits: Sequence[int], images: Preparation) -> Network:
    return stacked(
        [
            [
                load_tensors(weights_path(models, network, layer, digit), REMEDY)[0]
                for digit in digits
            ]
            for layer in LAYERS
        ],
        images,
    )
