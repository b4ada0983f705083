"""Features of known images and of unknown ones, computed in several processes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.method.randomness import generator
from hpoe.params import Refusal
from hpoe.registration.outliers import kinds, outliers
from hpoe.registration.sampling import Sample
from hpoe.registration.source import Images, Source, redrawn
from hpoe.registration.symmetry import asymmetric
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.known_score import Features, features
from hpoe_recognition.recogniser import System

BATCH = 500
"""Images per task."""
ENOUGH_CLASSES = 3
"""With fewer, withholding one leaves nothing to tell the other from."""


@dataclass(frozen=True)
class Fitted:
    """What the known score's net is fitted on."""

    known: tuple[Features, Features]
    """Of known images, as they are and redrawn."""
    outliers: Mapping[str, Features]
    """By kind."""
    withheld: Features | None
    """Of known images with their own class withheld; None if there are too few classes."""


def observed(system: System, edges: EdgeDensities, images: Images, workers: int) -> Features:
    """Compute the features of images [N, R, C] in several processes."""
    observe = partial(_observed, system, edges)
    return joined(run_in_order(observe, in_batches(images), workers))


def in_batches(images: Images) -> list[Images]:
    """Cut images [N, rows, columns] into batches for tasks."""
    return np.array_split(images, max(1, len(images) // BATCH))


def joined(parts: Iterable[Features]) -> Features:
    """Join the features of several batches."""
    every = [*parts]
    return Features(
        np.concatenate([part.values for part in every]),
        np.concatenate([part.positions for part in every]),
    )


def fitted_on(
    system: System,
    edges: EdgeDensities,
    chosen: Sample,
    params: Refusal,
    seed: int,
    workers: int,
) -> Fitted:
    """Compute the features of all that the known score's net is fitted on."""

    def rng(purpose: str) -> np.random.Generator:
        return generator(seed, "register", 0, 0, purpose)

    source = Source(chosen.fit.images, chosen.fit.positions, rng("symmetry"), system.format)
    source = replace(source, asymmetric=asymmetric(source, edges, system.network_input))
    made = kinds(source)
    count = max(1, min(params.outliers_per_kind, chosen.outliers // len(made)))
    strange = run_in_order(
        partial(_outliers, system, edges, count),
        [(replace(source, rng=rng(kind)), kind) for kind in made],
        workers,
    )
    again = run_in_order(
        partial(_redrawn, system, edges),
        [
            (replace(source, rng=rng(f"redrawn {number}")), batch)
            for number, batch in enumerate(in_batches(chosen.redrawn.images))
        ],
        workers,
    )
    images = in_batches(chosen.fit.images)
    ends = np.cumsum([len(each) for each in images])[:-1]
    parts = zip(images, np.split(chosen.fit.positions, ends), strict=True)
    both = run_in_order(partial(_with_and_without, system, edges), parts, workers)
    withheld = [without for _, without in both if without is not None]
    known = joined([known for known, _ in both]), joined(again)
    by_kind = dict(zip(made, strange, strict=True))
    return Fitted(known, by_kind, joined(withheld) if withheld else None)


def _observed(system: System, edges: EdgeDensities, images: Images) -> Features:
    return features(system.evidence(images), edges)


def _with_and_without(
    system: System, edges: EdgeDensities, part: tuple[Images, NDArray[np.int64]]
) -> tuple[Features, Features | None]:
    """Compute the features of images, and those that they have with their own class withheld."""
    images, positions = part
    scores = system.scores(images)
    known = features(system.evidence_from(images, scores), edges)
    if len(system.labels) < ENOUGH_CLASSES:
        return known, None
    return known, features(system.evidence_from(images, scores, positions), edges)


def _outliers(
    system: System, edges: EdgeDensities, count: int, part: tuple[Source, str]
) -> Features:
    return _observed(system, edges, outliers(*part, count))


def _redrawn(system: System, edges: EdgeDensities, part: tuple[Source, Images]) -> Features:
    source, images = part
    return _observed(system, edges, redrawn(images, source))
