"""Kills, Ctrl-C and worker counts: whatever happens in between, the trained bytes are the same."""

import os
import random
import signal
import subprocess
import time

import pytest

from hpoe.tensors import load_tensors
from tests.pipeline.project import LONG_STAGE, Project, wait_for_end

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "2"))
TRAIN = ("--force", "--single-item", LONG_STAGE)


@pytest.fixture(scope="module")
def reference(project: Project) -> tuple[dict[str, bytes], float]:
    """The weights of an unbroken run with two workers, and how many seconds it took."""
    project.choose_longer()
    project.environment |= {"HPOE_CHECKPOINT_SECONDS": "0.02", "HPOE_WORKERS": "2"}
    project.repro("split")
    start = time.monotonic()
    project.repro(*TRAIN)
    return project.weights(), time.monotonic() - start


def forget(project: Project) -> None:
    """Undo the training: weights, trained digits and checkpoints."""
    project.run("git", "clean", "-fdxq", "models", ".hpoe/rbms")


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
    moment = random.Random(number).uniform(0.3, 1.0) * seconds
    try:
        running.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        if number % 2:
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)
    wait_for_end(running, seconds=5)
    project.repro(*TRAIN)
    assert project.weights() == weights
    assert not list(project.root.glob("models/**/*.tmp"))


def test_ctrl_c_stops_within_two_seconds_and_the_next_run_goes_on(
    project: Project, reference: tuple[dict[str, bytes], float]
) -> None:
    weights, _ = reference
    forget(project)
    running = project.start("dvc", "repro", *TRAIN)
    project.wait(running, lambda: " trained: " in project.log())
    interrupted = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
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
        path = project.root / ".hpoe/rbms" / f"{record['fingerprint']}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    output = project.run("python", "pipelines/train_layer.py", layer, "longer", expect=1)
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert path.name in line
    assert "is damaged" in line
    assert "Traceback" not in output
    path.write_bytes(content)


def test_wrong_params_are_one_sentence_before_anything_runs(project: Project) -> None:
    before = project.params()
    project.change(seeed=1)
    output = project.run("hpoe", "check", expect=1)
    assert output.startswith("error: params.yaml: seeed is not a known key")
    assert output.count("\n") == 1
    project.write_params(before)
