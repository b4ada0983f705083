"""Refusal of kinds of outliers, and of classes, that the known score was not fitted on.

    python -m benchmarks.unseen
    python -m benchmarks.unseen --hidden-units 64 --epochs 12 --withheld 0.3

The champion of the last `make repro` and its validation images decide: the score is fitted again
without the kinds of a group, and judged by outliers of these kinds, made from validation images.
It is also fitted without each class, whose validation images are then judged with it withheld.
The settings of the score are chosen by the means that this prints, not by test images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import console, machine, table
from hpoe.data.split import labels_in, load_class
from hpoe.files import write_json
from hpoe.method.randomness import generator
from hpoe.params import Refusal, load_params
from hpoe.registration import refusal
from hpoe.registration.observing import joined, observed
from hpoe.registration.outliers import kinds, outliers
from hpoe.registration.source import Images, Source, redrawn
from hpoe.registration.symmetry import asymmetric
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.known_score import Features, KnownScore, features
from hpoe_recognition.recogniser import Recogniser, System

SPLIT, PACKAGE = Path("data/split"), Path("models/recogniser.safetensors")
REPORT = Path("reports/benchmarks/unseen.json")
GROUPS = {
    "strokes": ("strokes", "crossed"),
    "quarter turns": ("turned_left", "turned_right", "transposed"),
    "reflections": ("mirrored", "upside_down", "half_turned"),
    "slants": ("skewed",),
    "halves and quarters": ("halves", "shuffled_quarters", "spliced"),
    "several figures": ("overlaid", "side_by_side", "doubled", "touching", "heap", "collage"),
    "symmetric": ("symmetric",),
    "pieces": ("cut", "fragment", "shards"),
    "other strokes": ("outlined", "filled", "negative"),
    "mixed and torn": ("mixed", "warped"),
    "no figure": ("shuffled", "noise", "blank", "specks", "blobs"),
}


@dataclass(frozen=True)
class Half:
    """Features of one half of the supervised images, and of outliers made from them."""

    positions: NDArray[np.int64]
    known: Features
    redrawn: Features
    withheld: Features
    outliers: Mapping[str, Features]


@report_errors
def main(
    hidden_units: Annotated[int | None, typer.Option(help="Default: that of params.yaml.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Default: that of params.yaml.")] = None,
    withheld: Annotated[float, typer.Option(help="Weight of withheld ones.")] = refusal.WITHHELD,
    per_class: Annotated[int, typer.Option(help="Images that the score is fitted on.")] = 375,
) -> None:
    """Print and keep a table of shares refused, by group, and the means."""
    changed = {"hidden_units": hidden_units, "epochs": epochs}
    params, settings = load_params(), load_settings()
    chosen = params.registration.refusal.model_copy(
        update={name: value for name, value in changed.items() if value}
    )
    refusal.WITHHELD = withheld
    packaged = Recogniser.load(PACKAGE)
    system, edges = packaged.system, packaged.known_score.edges
    classes = [load_class(SPLIT, label) for label in labels_in(SPLIT)]
    held_out = replace(system, net=system.validation_net)
    count, workers = chosen.outliers_per_kind, settings.workers
    fit = _half(system, edges, [each.fit[:per_class] for each in classes], count, workers)
    judged = _half(held_out, edges, [each.validation for each in classes], count, workers)
    groups = {
        name: float(np.mean([*_refused(chosen, edges, fit, judged, group)]))
        for name, group in GROUPS.items()
    }
    shares, areas = zip(
        *(_left_out(chosen, edges, fit, judged, at) for at in range(len(classes))), strict=True
    )
    shown = table("Refused, though no such kind was seen", "kinds", "refused", left=("kinds",))
    for name, share in groups.items():
        shown.add_row(name, f"{share:.1%}")
    shown.add_row("mean", f"{np.mean([*groups.values()]):.1%}")
    shown.add_row("classes left out", f"{np.mean(shares):.1%}, AUROC {np.mean(areas):.4f}")
    console.print(shown)
    found = {"refusal": chosen.model_dump(), "withheld": withheld, "groups": groups}
    rates = {"classes_refused": np.mean(shares), "classes_auroc": np.mean(areas)}
    write_json(REPORT, {"machine": machine(workers), **found, **rates})


def _half(
    system: System, edges: EdgeDensities, images: Sequence[Images], count: int, workers: int
) -> Half:
    every = np.concatenate(images)
    positions = np.repeat(np.arange(len(images)), [len(each) for each in images])
    source = Source(every, positions, generator(0, "unseen", 0, 0, "outliers"), system.format)
    source = replace(source, asymmetric=asymmetric(source, edges, system.network_input))
    without = system.evidence_from(every, system.scores(every), positions)
    return Half(
        positions,
        known=observed(system, edges, every, workers),
        redrawn=observed(system, edges, redrawn(every[::3], source), workers),
        withheld=features(without, edges),
        outliers={
            kind: observed(system, edges, outliers(source, kind, count), workers)
            for kind in kinds(source)
        },
    )


def _refused(
    params: Refusal, edges: EdgeDensities, fit: Half, judged: Half, group: Sequence[str]
) -> Iterator[float]:
    """Yield the refused share of each kind of a group, which the score was fitted without."""
    seen = [made for kind, made in fit.outliers.items() if kind not in group]
    known = (fit.known, fit.redrawn)
    score = refusal.fit_known_score(
        params, edges, known, joined(seen), fit.withheld, judged.known, seed=1
    )
    for kind in group:
        if kind in judged.outliers:
            yield float(np.mean(score.of(judged.outliers[kind]) < score.threshold))


def _left_out(
    params: Refusal, edges: EdgeDensities, fit: Half, judged: Half, at: int
) -> tuple[float, float]:
    """Return the refused share of a class that the score was fitted without, and its AUROC."""
    others, unknown = fit.positions != at, judged.positions == at
    score: KnownScore = refusal.fit_known_score(
        params,
        edges,
        (_some(fit.known, others), fit.redrawn),
        joined(fit.outliers.values()),
        _some(fit.withheld, others),
        _some(judged.known, ~unknown),
        seed=1,
    )
    known = score.of(_some(judged.known, ~unknown))
    strange = score.of(_some(judged.withheld, unknown))
    targets = np.repeat([1, 0], [len(known), len(strange)])
    area = float(roc_auc_score(targets, np.concatenate([known, strange])))
    return float(np.mean(strange < score.threshold)), area


def _some(of: Features, which: NDArray[np.bool_]) -> Features:
    return Features(of.values[which], of.positions[which])


if __name__ == "__main__":
    typer.run(main)
