"""A layer stage on a GPU, which the CPU stands for."""

import json

import pytest

from tests.pipeline.project import Project

pytestmark = pytest.mark.slow
ON_A_GPU = """
import runpy, sys
from functools import partial
import torch
from hpoe.training import gpu as batched
torch.cuda.is_available = lambda: True
batched.train_together = partial(batched.train_together, device="cpu")
sys.argv[0] = "pipelines/train_layer.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_layer_trained_on_a_gpu_is_tracked_as_such_and_kept(project: Project) -> None:
    project.repro("split")
    on_a_gpu = ("python", "-c", ON_A_GPU, "1", "default")
    said = project.run(*on_a_gpu, HPOE_DEVICE="cuda")
    assert said.count(" trained: ") == len(project.weights()) == 10
    before = project.weights()
    record = json.loads((project.root / "reports/runs/train_layer1@default.json").read_text())
    stage = record["stage"]
    assert stage["tags"]["device"] == "cuda"
    assert "core_seconds" not in stage["metrics"]
    assert [digit["tags"]["device"] for digit in stage["children"]] == ["cuda"] * 10
    assert {len(digit["curves"]["goodness_heldout"]) for digit in stage["children"]} == {4}
    store = project.root / ".hpoe/digits"
    trainings = {path: path.stat().st_mtime_ns for path in store.iterdir()}
    project.run(*on_a_gpu, HPOE_DEVICE="auto")
    assert {path: path.stat().st_mtime_ns for path in store.iterdir()} == trainings
    project.run("python", "pipelines/train_layer.py", "1", "default", HPOE_DEVICE="cpu")
    assert len(list(store.iterdir())) == 2 * len(trainings) == 20
    assert not set(project.weights().values()) & set(before.values())
