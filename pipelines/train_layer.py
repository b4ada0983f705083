"""Stages train_layer1, 2 and 3: train one layer of a network for all classes."""

from dataclasses import asdict
from typing import Annotated

import pandas as pd
import typer

from hpoe.compute.progress import Board, ClassProgress
from hpoe.data.split import labels_in
from hpoe.execution.pipeline import MODELS, SPLIT
from hpoe.execution.stage import Stage, split_datasets, stage
from hpoe.files import replacing
from hpoe.labels import tag_name
from hpoe.reporting import console, report_errors
from hpoe.tracking.records import RunRecord
from hpoe.training.dispatch import find_device, train_all
from hpoe.training.tasks import Trained, TrainingTask, core_seconds, training_task

INHERITED = ("execution", "stage", "network", "layer", "device")
"""Tags that a class's run inherits from its stage's run: MLflow's search looks at single runs."""


@report_errors
def main(layer: Annotated[int, typer.Argument(min=1, max=3)], network: str) -> None:
    """Train a layer of a network for every class, except classes that are trained already."""
    with stage(f"train_layer{layer}", network) as running:
        device = find_device(running.settings)
        board = running.settings.state_dir / "progress"
        labels = labels_in(SPLIT)
        tasks = {
            label: training_task(
                running.params,
                running.settings,
                network,
                layer,
                label,
                split=SPLIT,
                models=MODELS,
                board=board,
                position=position,
                stage=running.run.uid,
                device=device,
            )
            for position, label in enumerate(labels)
        }
        epochs = running.params.networks[network].epochs
        running.run.tags |= {"network": network, "layer": str(layer), "device": device}
        running.say(f"layer {layer} of {network}: {len(tasks)} classes, {epochs} epochs each")
        seconds = {}
        with ClassProgress(console, Board.create(board, len(tasks)), labels, epochs):
            for trained in train_all(list(tasks.values()), running.settings):
                _publish(running, tasks[trained.label], trained)
                seconds[trained.label] = core_seconds(trained.timestamps)
        if device == "cpu":  # a GPU trains all classes in the same seconds
            running.run.metrics["core_seconds"] = sum(seconds.values())


def _publish(running: Stage, task: TrainingTask, trained: Trained) -> None:
    """Write a class's learning curves; add its run, or link the run that trained it."""
    curves = pd.DataFrame(trained.curves)
    curves.index = pd.RangeIndex(1, len(curves) + 1, name="epoch")
    with replacing(task.weights.with_suffix(".csv")) as path:
        curves.to_csv(path)
    if trained.trained_in != task.run:
        running.run.tags[f"reused/class {tag_name(task.label)}"] = f"uid:{trained.trained_in}"
        running.say(f"class {task.label} kept: nothing it depends on has changed")
        return
    last = trained.curves[-1]
    seconds = (trained.timestamps[-1] - trained.timestamps[0]) / 1000
    running.say(
        f"class {task.label} trained: reconstruction error {last['reconstruction_error']:.2f}, "
        f"goodness {last['goodness_train']:.1f} (held out {last['goodness_heldout']:.1f}), "
        f"{seconds:.1f} s"
    )
    run = RunRecord(
        uid=task.run,
        name=f"layer {task.layer}, class {task.label}",
        start=trained.timestamps[0],
        tags={
            **{key: running.run.tags[key] for key in INHERITED},
            "kind": "class",
            "class": task.label,
            "fingerprint": trained.fingerprint,
        },
        params={key: str(value) for key, value in asdict(task.recipe).items()},
        curves={str(column): curves[column].tolist() for column in curves},
        timestamps=list(trained.timestamps),
        datasets=split_datasets([task.label], "training"),
        end=trained.timestamps[-1],
        status="FINISHED",
    )
    running.add_run(run)


if __name__ == "__main__":
    typer.run(main)
