"""Refusal of a class that was left out of training, for each class in turn.

    python -m benchmarks.left_out --data mnist
    python -m benchmarks.left_out --data fashion --units 200 --epochs 15

The RBMs of a class know no other class, so that they are trained once. For each class left out, the
classifier and the known score are fitted again without it, as the pipeline fits them. Then the test
images of that class are judged beside those of the known classes. The table is docs/refusal.md's.

Fashion-MNIST is read from Debian's package dataset-fashion-mnist.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import console, machine, split_into, table
from hpoe.compute.parallel import run_in_order
from hpoe.compute.progress import Board
from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.refitting import fit_method
from hpoe.evaluation.scoring import LAYERS
from hpoe.files import write_json
from hpoe.method.classifier import Fit, fit
from hpoe.params import Params, load_params
from hpoe.registration.assembly import assemble, teach_refusal
from hpoe.registration.observing import in_batches, observed
from hpoe.reporting import report_errors
from hpoe.settings import Settings, load_settings
from hpoe.training.dispatch import train_all
from hpoe.training.tasks import training_task
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Layer, Network
from hpoe_recognition.recogniser import System

FASHION = "/usr/share/datasets/fashion-mnist"
TEMPERATURE = 10.0
"""Of the soft choice among shifts, nats; validation chooses about this much on MNIST."""
NETWORK = "default"


@dataclass(frozen=True)
class Result:
    """How the test images of a class left out were judged."""

    left_out: str
    refused: float
    """Share of its test images below the threshold."""
    auroc: float
    """Area under the curve, its test images against those of the known classes."""
    refused_known: float
    """Share of the known classes' test images below the threshold."""


@report_errors
def main(
    data: Annotated[Literal["mnist", "fashion"], typer.Option()] = "mnist",
    units: Annotated[int | None, typer.Option(min=1, help="Of each layer; default: 500.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's.")] = None,
    models: Annotated[Path | None, typer.Option(help="Weights to use, not to train.")] = None,
) -> None:
    """Print and keep a table of the classes left out."""
    settings, params = load_settings(), _params(data, units, epochs)
    with TemporaryDirectory() as folder:
        split = Path(folder) / "split"
        split_into(split, params, settings)
        whole = _system(split, models or _trained(split, Path(folder), params, settings), params)
        scores = _scores(whole, split, settings.workers)
        results = []
        for position in range(len(whole.labels)):
            system = _without(position, whole, scores, params)
            results.append(_judge(position, whole, system, split, params, settings.workers))
            console.print(f"{results[-1]}")
    shown = table(f"{data}: one class left out", "left out", "refused", "AUROC", "known refused")
    for row in (*results, _mean(results)):
        shares = f"{row.refused:.1%}", f"{row.auroc:.4f}", f"{row.refused_known:.2%}"
        shown.add_row(row.left_out, *shares)
    console.print(shown)
    report = Path(f"reports/benchmarks/left_out_{data}.json")
    recipe = asdict(params.networks[NETWORK].recipe)
    rows = [asdict(result) for result in results]
    write_json(report, {"machine": machine(settings.workers), "recipe": recipe, "results": rows})
    console.print(f"{report}")


def _params(data: str, units: int | None, epochs: int | None) -> Params:
    """Return params.yaml with the data set and the size of the network as asked for."""
    params = load_params()
    network = params.networks[NETWORK]
    changed: dict[str, object] = {"units": (units,) * 3} if units else {}
    changed |= {"epochs": epochs} if epochs else {}
    if data == "fashion":
        changed["images"] = "as_given"
        source = {"source": "idx", "path": FASHION, "preparation": "as_is"}
        params = params.model_copy(update={"data": params.data.model_copy(update=source)})
    networks = {NETWORK: network.model_copy(update=changed)}
    return params.model_copy(update={"networks": networks})


def _trained(split: Path, folder: Path, params: Params, settings: Settings) -> Path:
    """Train all classes, except those that are trained already; return the folder of weights."""
    labels, models = labels_in(split), folder / "models"
    for layer in LAYERS:
        tasks = [
            training_task(
                params,
                settings,
                NETWORK,
                layer,
                label,
                split=split,
                models=models,
                board=folder / "board",
                position=position,
                stage="left_out",
            )
            for position, label in enumerate(labels)
        ]
        Board.create(folder / "board", len(tasks))
        for trained in train_all(tasks, settings):
            console.print(f"layer {layer}, class {trained.label}")
    return models


def _system(split: Path, models: Path, params: Params) -> System:
    """Assemble the system of all classes, its classifier not fitted."""
    n_classes = len(labels_in(split))
    none = LogisticNet(np.zeros((n_classes * len(LAYERS), n_classes)), np.zeros(n_classes))
    networks = {NETWORK: params.networks[NETWORK]}
    unfitted = Fit(none, none, 0.0, (0.0, 0.0))
    return assemble(split, models, networks, unfitted, TEMPERATURE, params.data.format)


def _scores(system: System, split: Path, workers: int) -> dict[str, list[NDArray[np.float64]]]:
    """Return the scores of the supervised images by half, then class, each [N, D, L]."""

    def of(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = np.concatenate(run_in_order(system.scores, in_batches(images), workers))
        return found.reshape(len(images), len(system.labels), -1)

    classes = [load_class(split, label) for label in system.labels]
    return {half: [of(getattr(each, half)) for each in classes] for half in ("fit", "validation")}


def _without(
    position: int,
    whole: System,
    scores: Mapping[str, list[NDArray[np.float64]]],
    params: Params,
) -> System:
    """Return the system without a class, its classifier fitted without that class's images."""
    halves = []
    for half in ("fit", "validation"):
        known = [each for at, each in enumerate(scores[half]) if at != position]
        labels = np.repeat(np.arange(len(known)), [len(each) for each in known])
        kept = np.delete(np.concatenate(known), position, axis=1)
        halves.append((kept.reshape(len(kept), -1), labels))
    fitted = fit(*fit_method(params.classifier.method, params.classifier), *halves)
    layers = tuple(
        Layer(**{name: np.delete(array, position, axis=0) for name, array in vars(layer).items()})
        for layer in whole.network.layers
    )
    return replace(
        whole,
        labels=whole.labels[:position] + whole.labels[position + 1 :],
        networks={NETWORK: Network(layers, whole.network.images)},
        net=fitted.net,
        validation_net=fitted.validation_net,
    )


def _judge(
    position: int, whole: System, system: System, split: Path, params: Params, workers: int
) -> Result:
    """Fit the known score of a system without a class, and judge all test images by it."""
    refusal = params.registration.refusal
    recogniser, _ = teach_refusal(system, split, refusal, params.seed, workers)
    score = recogniser.known_score

    def judged(labels: tuple[str, ...]) -> NDArray[np.float32]:
        images = np.concatenate([load_class(split, label).test for label in labels])
        return score.of(observed(system, score.edges, images, workers))

    known, unknown = judged(system.labels), judged(whole.labels[position : position + 1])
    targets = np.repeat([1, 0], [len(known), len(unknown)])
    return Result(
        left_out=whole.labels[position],
        refused=float(np.mean(unknown < score.threshold)),
        auroc=float(roc_auc_score(targets, np.concatenate([known, unknown]))),
        refused_known=float(np.mean(known < score.threshold)),
    )


def _mean(results: list[Result]) -> Result:
    means = (
        float(np.mean([getattr(r, name) for r in results]))
        for name in ("refused", "auroc", "refused_known")
    )
    return Result("mean", *means)


if __name__ == "__main__":
    typer.run(main)
