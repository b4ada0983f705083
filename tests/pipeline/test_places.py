"""Where a layer is trained: here, on a Ray cluster, or on a GPU, which the CPU stands for."""

import json
from collections.abc import Iterator

import pytest
import torch

from tests.pipeline.project import Project
from tests.unit.nodes import two_nodes

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


@pytest.fixture(scope="module")
def split(project: Project) -> Project:
    """The project with its data split."""
    project.repro("split")
    return project


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("HPOE_RAY_ADDRESS", "127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 (Connection"),
        ("HPOE_DEVICE", "cuda", "HPOE_DEVICE is cuda, but PyTorch"),
        ("MLFLOW_TRACKING_URI", "ftp://nowhere", "ftp://nowhere, which is not the address"),
    ],
)
def test_a_place_that_cannot_be_used_is_one_sentence_before_anything_is_trained(
    split: Project, setting: str, value: str, sentence: str
) -> None:
    if setting == "HPOE_DEVICE" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    if setting == "HPOE_RAY_ADDRESS":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpoe[ray]'")
    commands = [("python", "pipelines/train_layer.py", "1", "default"), ("hpoe", "check")]
    for command in commands[: 1 if setting == "MLFLOW_TRACKING_URI" else 2]:
        output = split.run(*command, expect=1, **{setting: value})
        (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
        assert sentence in error
        assert " trained: " not in output
        assert "Traceback" not in output


def test_a_layer_trained_on_a_gpu_is_tracked_as_such_and_kept(split: Project) -> None:
    on_a_gpu = ("python", "-c", ON_A_GPU, "1", "default")
    said = split.run(*on_a_gpu, HPOE_DEVICE="cuda")
    assert said.count(" trained: ") == len(split.weights()) == 10
    record = json.loads((split.root / "reports/runs/train_layer1@default.json").read_text())
    stage = record["stage"]
    assert stage["tags"]["device"] == "cuda"
    assert "core_seconds" not in stage["metrics"]
    assert [digit["tags"]["device"] for digit in stage["children"]] == ["cuda"] * 10
    assert {len(digit["curves"]["goodness_heldout"]) for digit in stage["children"]} == {4}
    store = split.root / ".hpoe/rbms"
    trainings = {path: path.stat().st_mtime_ns for path in store.iterdir()}
    split.run(*on_a_gpu, HPOE_DEVICE="auto")
    assert {path: path.stat().st_mtime_ns for path in store.iterdir()} == trainings
    before = split.weights()
    split.run("python", "pipelines/train_layer.py", "1", "default", HPOE_DEVICE="cpu")
    assert len(list(store.iterdir())) == 2 * len(trainings) == 20
    assert not set(split.weights().values()) & set(before.values())


@pytest.fixture(scope="module")
def local(split: Project) -> dict[str, bytes]:
    """The weights of a layer trained on this machine."""
    split.run("python", "pipelines/train_layer.py", "1", "default", HPOE_DEVICE="cpu")
    return split.weights()


@pytest.fixture
def address(split: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster's, whose workers find the code where the project's stages do."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpoe[ray]'")
    monkeypatch.setenv("PYTHONPATH", split.environment["PYTHONPATH"])
    with two_nodes() as cluster:
        yield cluster.address


def test_a_layer_trained_on_a_cluster_has_the_bytes_of_a_local_run(
    split: Project, local: dict[str, bytes], address: str
) -> None:
    split.run("git", "clean", "-fdxq", "models", ".hpoe/rbms")
    split.repro("--force", "--single-item", "train_layer1@default", HPOE_RAY_ADDRESS=address)
    assert split.log().count(" trained: ") == 10
    assert split.weights() == local
    assert "kept" not in split.log()
