"""Refusal of kinds of outliers, and of classes, that the known score was not fitted on.

    python -m benchmarks.unseen
    python -m benchmarks.unseen --hidden-units 64 --epochs 12 --withheld 0.3

The champion of the last `make repro` and its validation images decide: the score is fitted again
without the kinds of a group, and judged by outliers of these kinds, made from validation images.
It is also fitted without each class, whose validation images are then judged with it withheld.
The settings of the score are chosen by the means that this prints, not by test images.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import console, machine, table
from hpoe.data.split import ClassImages, load_class
from hpoe.files import write_json
from hpoe.params import load_params
from hpoe.registration.observing import Fitted, fitted_on, joined
from hpoe.registration.refusal import WITHHELD, fit_known_score
from hpoe.registration.sampling import sample
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe_recognition.known_score import Features, KnownScore
from hpoe_recognition.recogniser import Recogniser, System

Teach = Callable[..., KnownScore]
"""`fit_known_score` with all but its images."""
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
class Part:
    """What the score is fitted on, or judged by: features, and the classes of the known images."""

    positions: NDArray[np.int64]
    features: Fitted

    def known(self, which: NDArray[np.bool_] | slice = slice(None)) -> Features:
        """Return the features of some known images."""
        return _some(self.features.known[0], which)

    def withheld(self, which: NDArray[np.bool_] | slice = slice(None)) -> Features:
        """Return those that some known images have with their own class withheld."""
        assert self.features.withheld is not None  # there are more than two classes
        return _some(self.features.withheld, which)


@report_errors
def main(
    hidden_units: Annotated[int | None, typer.Option(help="Default: that of params.yaml.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Default: that of params.yaml.")] = None,
    withheld: Annotated[float, typer.Option(help="Weight of withheld images.")] = WITHHELD,
) -> None:
    """Print and keep a table of shares refused, by group, and the means."""
    changed = {"hidden_units": hidden_units, "epochs": epochs}
    params, workers = load_params(), load_settings().workers
    chosen = params.registration.refusal.model_copy(
        update={name: value for name, value in changed.items() if value}
    )
    packaged = Recogniser.load(PACKAGE)
    system, edges = packaged.system, packaged.known_score.edges
    classes = [load_class(SPLIT, label) for label in system.labels]

    def part(of: System, images: Sequence[ClassImages]) -> Part:
        sampled = sample(images)
        found = fitted_on(of, edges, sampled, chosen, params.seed, workers)
        return Part(sampled.fit.positions, found)

    fit = part(system, classes)
    held_out = [replace(each, fit=each.validation) for each in classes]
    judged = part(replace(system, net=system.validation_net), held_out)
    taught = partial(fit_known_score, chosen, edges, seed=params.seed, withheld_weight=withheld)
    groups = {
        name: float(np.mean([*_refused(taught, fit, judged, group)]))
        for name, group in GROUPS.items()
    }
    results = [_left_out(taught, fit, judged, at) for at in range(len(classes))]
    refused, auroc = np.mean(results, axis=0).tolist()
    shown = table("Refused, though no such kind was seen", "kinds", "refused", left=("kinds",))
    for name, share in groups.items():
        shown.add_row(name, f"{share:.1%}")
    shown.add_row("mean", f"{np.mean([*groups.values()]):.1%}")
    shown.add_row("classes left out", f"{refused:.1%}, AUROC {auroc:.4f}")
    console.print(shown)
    found = {"refusal": chosen.model_dump(), "withheld": withheld, "groups": groups}
    rates = {"classes_refused": refused, "classes_auroc": auroc}
    write_json(REPORT, {"machine": machine(workers), **found, **rates})


def _refused(taught: Teach, fit: Part, judged: Part, group: Sequence[str]) -> Iterator[float]:
    """Yield the refused share of each kind of a group, which the score was fitted without."""
    seen = [made for kind, made in fit.features.outliers.items() if kind not in group]
    score = taught(
        known=fit.features.known,
        outliers=joined(seen),
        withheld=fit.withheld(),
        held_out=judged.known(),
    )
    for kind in group:
        if kind in judged.features.outliers:
            yield float(np.mean(score.of(judged.features.outliers[kind]) < score.threshold))


def _left_out(taught: Teach, fit: Part, judged: Part, at: int) -> tuple[float, float]:
    """Return the refused share of a class that the score was fitted without, and its AUROC."""
    others, unknown = fit.positions != at, judged.positions == at
    score = taught(
        known=(fit.known(others), fit.features.known[1]),
        outliers=joined(fit.features.outliers.values()),
        withheld=fit.withheld(others),
        held_out=judged.known(~unknown),
    )
    known, strange = score.of(judged.known(~unknown)), score.of(judged.withheld(unknown))
    targets = np.repeat([1, 0], [len(known), len(strange)])
    area = float(roc_auc_score(targets, np.concatenate([known, strange])))
    return float(np.mean(strange < score.threshold)), area


def _some(of: Features, which: NDArray[np.bool_] | slice) -> Features:
    return Features(of.values[which], of.positions[which])


if __name__ == "__main__":
    typer.run(main)
