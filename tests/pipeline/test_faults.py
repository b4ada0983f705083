"""Kills, Ctrl-C and worker counts: whatever happens in between, the trained bytes are the same."""

import os
import random
import signal
import subprocess
import time

import psutil
import pytest
import torch

from hpoe.tensors import load_tensors
from tests.pipeline.project import SMALL, TINY, Project

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "2"))
LONGER = {**TINY, "units": [60, 15, 10], "minibatch_size": 5, "epochs": 150}
TRAIN = ("--force", "--single-item", "train_layer1@longer")


@pytest.fixture(scope="module")
def reference(project: Project) -> tuple[dict[str, bytes], float]:
    """The weights of an unbroken run with two workers, and how many seconds it took."""
    project.change(
        train=["longer"],
        networks={"longer": LONGER},
        classifier={**SMALL["classifier"], "networks": ["longer"]},
    )
    project.environment["HPOE_CHECKPOINT_SECONDS"] = "0.02"
    project.repro("split")
    start = time.monotonic()
    project.repro(*TRAIN)
    return project.weights(), time.monotonic() - start


def forget(project: Project) -> None:
    """Undo the training: weights, trained digits and checkpoints."""
    project.run("git", "clean", "-fdxq", "models", ".hpoe/digits")


def test_one_worker_trains_the_same_bytes_as_two(
    project: Project, reference: tuple[dict[str, bytes], float]
) -> None:
    forget(project)
    project.repro(*TRAIN, HPOE_WORKERS="1")
    assert len(project.weights()) == 10
    assert project.weights() == reference[0]


@pytest.mark.parametrize("number", range(KILLS))
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_bytes(
    project: Project, reference: tuple[dict[str, bytes], float], number: int
) -> None:
    """Every other time only `dvc` is killed; its stage and workers must notice by themselves."""
    weights, seconds = reference
    forget(project)
    running = project.start("dvc", "repro", *TRAIN)
    group = os.getpgid(running.pid)
    moment = random.Random(number).uniform(0.3, 1.0) * seconds
    try:
        running.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        if number % 2:
            running.kill()
        else:
            os.killpg(group, signal.SIGKILL)
        running.wait()
    wait_for_end_of_group(group)
    project.repro(*TRAIN)
    assert project.weights() == weights
    assert not list(project.root.glob("models/**/*.tmp"))


def test_ctrl_c_stops_within_two_seconds_and_the_next_run_goes_on(
    project: Project, reference: tuple[dict[str, bytes], float]
) -> None:
    weights, _ = reference
    forget(project)
    running = project.start("dvc", "repro", *TRAIN)
    group = os.getpgid(running.pid)
    while " trained: " not in project.log():
        assert running.poll() is None, project.log()
        time.sleep(0.05)
    interrupted = time.monotonic()
    os.killpg(group, signal.SIGINT)
    running.wait()
    assert time.monotonic() - interrupted < 2
    assert "Traceback" not in project.log()
    project.repro(*TRAIN)
    assert project.weights() == weights


@pytest.mark.parametrize("layer", ["1", "2"])
def test_a_truncated_file_is_named_in_one_sentence(
    project: Project, reference: tuple[dict[str, bytes], float], layer: str
) -> None:
    """Layer 1 meets a truncated checkpoint, layer 2 truncated weights of the layer below."""
    assert reference
    path = project.root / "models/longer/layer1/4.safetensors"
    if layer == "1":
        _, record = load_tensors(path, "")
        path = project.root / ".hpoe/digits" / f"{record['fingerprint']}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    output = project.run("python", "pipelines/train_layer.py", layer, "longer", expect=1)
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert path.name in line
    assert "is damaged" in line
    assert "Traceback" not in output
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeed": 1}, "seeed is not a known key"),
        ({"seed": -1}, "seed is -1: input should be greater than or equal to 0"),
        ({"train": ["h9"]}, "train names 'h9', which networks lacks"),
    ],
)
def test_wrong_params_are_one_sentence_before_anything_runs(
    project: Project, changes: dict[str, object], sentence: str
) -> None:
    before = project.params()
    project.change(**changes)
    output = project.run("hpoe", "check", expect=1)
    assert output.startswith("error: params.yaml: ")
    assert sentence in output
    assert output.count("\n") == 1
    project.write_params(before)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("HPOE_RAY_ADDRESS", "127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 (Connection"),
        ("HPOE_DEVICE", "cuda", "HPOE_DEVICE is cuda, but PyTorch"),
        ("MLFLOW_TRACKING_URI", "ftp://nowhere", "ftp://nowhere, which is no address"),
    ],
)
def test_a_place_that_cannot_be_used_is_one_sentence_before_anything_is_trained(
    project: Project, setting: str, value: str, sentence: str
) -> None:
    if setting == "HPOE_DEVICE" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    if setting == "HPOE_RAY_ADDRESS":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpoe[ray]'")
    if not (project.root / "data/split").exists():
        project.repro("split")
    network = project.params()["train"][0]
    commands = [("python", "pipelines/train_layer.py", "1", network), ("hpoe", "check")]
    for command in commands[: 1 if setting == "MLFLOW_TRACKING_URI" else 2]:
        output = project.run(*command, expect=1, **{setting: value})
        (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
        assert sentence in error
        assert " trained: " not in output
        assert "Traceback" not in output


def wait_for_end_of_group(group: int) -> None:
    """Wait until no process of the group is left; five seconds are more than they may take."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        alive = [
            process
            for process in psutil.process_iter(["pid", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE and _group_of(process.pid) == group
        ]
        if not alive:
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {alive}")


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
