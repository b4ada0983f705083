"""A small real pipeline in a repository of its own, used as a user uses it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.processes import alive_in_session, wait_until

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "images": "deskewed",
    "units": [20, 15, 10],
    "epochs": 4,
    "minibatch_size": 20,
    "learning_rate": 0.1,
    "learning_rate_schedule": "constant_then_linear",
    "weight_decay": 0.0001,
    "momentum": 0.9,
    "momentum_start": 5,
    "initial_standard_deviation": 0.01,
}
SMALL: dict[str, Any] = {
    "name": "hpoe-digits",
    "seed": 1,
    "train": ["default"],
    "data": {
        "source": "mnist",
        "path": None,
        "image_size": [28, 28],
        "preparation": "ink",
        "skip_unreadable": False,
        "columns": None,
    },
    "split": {
        "classes": list(range(10)),
        "unsupervised_per_class": 200,
        "supervised_per_class": 60,
        "test": "official",
        "test_images": 500,
        "shuffle": False,
    },
    "classifier": {
        "networks": ["default"],
        "method": "logistic_regression",
        "logistic_regression": {"inverse_regularisation": [0.1, 1.0]},
        "gradient_ascent": {"learning_rate": 0.0002, "momentum": 0.9, "max_epochs": 50},
    },
    "shift_normalization": {"temperatures": [1.0, 10.0]},
    "registration": {
        "refusal": {
            "outliers_per_kind": 10,
            "hidden_units": 8,
            "weight_decay": 0.0001,
            "epochs": 2,
            "refused_known": 0.01,
        },
        "significance": 0.05,
    },
    "networks": {"default": TINY, "other": {**TINY, "units": [8, 8, 8], "epochs": 2}},
}
LONGER = {**TINY, "units": [60, 15, 10], "minibatch_size": 5, "epochs": 150}
"""A network whose first layer takes seconds to train, in which something can happen."""
LONG_STAGE = "train_layer1@longer"


@dataclass
class Project:
    """A repository in which commands are run as a user runs them."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own; its output is kept in `log`."""
        with (self.root.parent / "log").open("w") as log:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, **self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def wait(self, running: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
        """Wait until something happens while a command runs, which must not end before."""
        wait_until(lambda: condition() or running.poll() is not None)
        assert running.poll() is None, self.log()

    def log(self) -> str:
        """What the last command printed."""
        return (self.root.parent / "log").read_text()

    def run(self, *command: str, expect: int | None = 0, **environment: str) -> str:
        """Run a command to its end; what it printed."""
        code = self.start(*command, **environment).wait(timeout=900)
        assert expect is None or code == expect, self.log()
        return self.log()

    def repro(self, *targets: str, **environment: str) -> list[str]:
        """`dvc repro`; the stages that ran, in order."""
        return stages_run(self.run("dvc", "repro", *targets, expect=0, **environment))

    def change(self, **changes: Any) -> None:
        """Write params.yaml with some top-level blocks replaced."""
        self.write_params({**self.params(), **changes})

    def choose_longer(self, seed: int = 1) -> None:
        """Write params.yaml with `LONGER` as the only network."""
        self.change(
            seed=seed,
            train=["longer"],
            networks={"longer": LONGER},
            classifier={**SMALL["classifier"], "networks": ["longer"]},
        )

    def write_params(self, params: dict[str, Any]) -> None:
        """Write params.yaml."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(params))

    def params(self) -> dict[str, Any]:
        """What params.yaml says."""
        content: dict[str, Any] = yaml.safe_load((self.root / "params.yaml").read_text())
        return content

    def weights(self) -> dict[str, bytes]:
        """The bytes of every published RBM, by path."""
        models = self.root / "models"
        return {
            str(path.relative_to(models)): path.read_bytes()
            for path in sorted(models.glob("*/layer*/*.safetensors"))
        }


def copy_working_tree(folder: Path) -> None:
    """Copy the files that git has, or would take, but for the lock of what this tree has run."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        source, target = ROOT / name, folder / name
        if (source.is_file() or source.is_symlink()) and name != "dvc.lock":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def wait_for_end(killed: "subprocess.Popen[str]", seconds: float = 120) -> None:
    """Wait until nothing is left of a command that was killed, nor of what it started."""
    killed.wait()
    wait_until(lambda: not alive_in_session(killed.pid), seconds, 0.05)


def stages_run(output: str) -> list[str]:
    """The stages that DVC says it ran."""
    prefix = "Running stage '"
    return [
        line.removeprefix(prefix).removesuffix("':")
        for line in output.splitlines()
        if line.startswith(prefix)
    ]
