"""Stages train_layer1, 2 and 3: train one layer of a network for all digits."""

from dataclasses import asdict
from typing import Annotated

import pandas as pd
import typer

from hpoe.compute.progress import Board, DigitProgress
from hpoe.data.split import digits_in
from hpoe.execution.pipeline import MODELS, SPLIT
from hpoe.execution.stage import Stage, split_datasets, stage
from hpoe.files import replacing
from hpoe.reporting import console, report_errors
from hpoe.tracking.records import RunRecord
from hpoe.training.dispatch import find_device, train_all
from hpoe.training.tasks import Trained, TrainingTask, core_seconds, training_task

INHERITED = ("execution", "stage", "network", "layer", "device")
"""Tags that a digit's run inherits from its stage's run: MLflow's search looks at single runs."""


@report_errors
def main(layer: Annotated[int, typer.Argument(min=1, max=3)], network: str) -> None:
    """Train a layer of a network for every digit, except digits that are trained already."""
    with stage(f"train_layer{layer}", network) as running:
        device = find_device(running.settings)
        board = running.settings.state_dir / "progress"
        tasks = {
            digit: training_task(
                running.params,
                running.settings,
                network,
                layer,
                digit,
                split=SPLIT,
                models=MODELS,
                board=board,
                stage=running.run.uid,
                device=device,
            )
            for digit in digits_in(SPLIT)
        }
        epochs = running.params.networks[network].epochs
        running.run.tags |= {"network": network, "layer": str(layer), "device": device}
        running.say(f"layer {layer} of {network}: {len(tasks)} digits, {epochs} epochs each")
        seconds = {}
        with DigitProgress(console, Board.create(board, tasks), tasks, epochs):
            for trained in train_all(list(tasks.values()), running.settings):
                _publish(running, tasks[trained.digit], trained)
                seconds[trained.digit] = core_seconds(trained.timestamps)
        if device == "cpu":  # a GPU trains all digits in the same seconds
            running.run.metrics["core_seconds"] = sum(seconds.values())


def _publish(running: Stage, task: TrainingTask, trained: Trained) -> None:
    """Write a digit's learning curves; add its run, or link the run that trained it."""
    curves = pd.DataFrame(trained.curves)
    curves.index = pd.RangeIndex(1, len(curves) + 1, name="epoch")
    with replacing(task.weights.with_suffix(".csv")) as path:
        curves.to_csv(path)
    if trained.trained_in != task.run:
        running.run.tags[f"reused/digit {task.digit}"] = f"uid:{trained.trained_in}"
        running.say(f"digit {task.digit} kept: nothing it depends on has changed")
        return
    last = trained.curves[-1]
    seconds = (trained.timestamps[-1] - trained.timestamps[0]) / 1000
    running.say(
        f"digit {task.digit} trained: reconstruction error {last['reconstruction_error']:.2f}, "
        f"goodness {last['goodness_train']:.1f} (held out {last['goodness_heldout']:.1f}), "
        f"{seconds:.1f} s"
    )
    run = RunRecord(
        uid=task.run,
        name=f"layer {task.layer}, digit {task.digit}",
        start=trained.timestamps[0],
        tags={
            **{key: running.run.tags[key] for key in INHERITED},
            "kind": "digit",
            "digit": str(task.digit),
            "fingerprint": trained.fingerprint,
        },
        params={key: str(value) for key, value in asdict(task.recipe).items()},
        curves={str(column): curves[column].tolist() for column in curves},
        timestamps=list(trained.timestamps),
        datasets=split_datasets([task.digit], "training"),
        end=trained.timestamps[-1],
        status="FINISHED",
    )
    running.add_run(run)


if __name__ == "__main__":
    typer.run(main)
