"""`hpoe sweep`, killed and begun again: every combination is tracked, no digit is trained twice."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dvc.api import read
from mlflow import MlflowClient

from tests.pipeline.project import Project, wait_for_end
from tests.processes import alive_in_session

pytestmark = pytest.mark.slow
SWEEP = ("hpoe", "sweep", "other", "-S", "networks.other.epochs=2,3")


def trainings(project: Project) -> dict[str, int]:
    """When each training in the store was last written, by name."""
    store = project.root / ".hpoe/rbms"
    return {path.name: path.stat().st_mtime_ns for path in store.glob("*.safetensors")}


def running(leader: "subprocess.Popen[str]", command: str) -> int:
    """How many processes of a command's session run another one."""
    count = 0
    for process in alive_in_session(leader.pid):
        with suppress(psutil.Error):
            count += command in " ".join(process.cmdline())
    return count


@pytest.fixture(scope="module")
def swept(project: Project) -> Project:
    """The project after a sweep of two combinations that was killed once digits were trained."""
    killed = project.start(*SWEEP)
    project.wait(killed, lambda: len(trainings(project)) >= 6)
    killed.kill()
    wait_for_end(killed)
    project.environment["COLUMNS"] = "200"  # rows of the table on one line each
    project.run(*SWEEP)
    return project


def rows(text: str) -> dict[str, tuple[str, str, str, str]]:
    """Validation and test error, run and experiment of the table's rows, by epochs."""
    found = re.findall(r"other +│ (\d) +│ +([\d.]+%) │ +([\d.]+%) │ (\S+) +│ (\S+)", text)
    return {epochs: (validation, test, run, name) for epochs, validation, test, run, name in found}


def test_every_combination_is_one_run_with_its_errors_and_all_its_digits(swept: Project) -> None:
    said = swept.log()
    shown = rows(said)
    assert set(shown) == {"2", "3"}
    rates = [float(validation.rstrip("%")) for validation, *_ in shown.values()]
    assert rates == sorted(rates)
    store = MlflowClient(f"sqlite:///{swept.root}/mlruns/mlflow.db")
    experiment = store.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    every = store.search_runs([experiment.experiment_id], max_results=1000)
    tops = [run for run in every if run.data.tags["kind"] == "pipeline"]
    assert len(tops) == 2
    for top in tops:
        validation, test, name, revision = shown[top.data.params["networks.other.epochs"]]
        assert top.info.run_name == name
        assert validation == f"{top.data.metrics['validation_error_rate']:.2%}"
        assert test == f"{top.data.metrics['test_error_rate']:.2%}"
        assert f'"test_error_rate": {top.data.metrics["test_error_rate"]}' in read(
            "reports/metrics.json", repo=str(swept.root), rev=revision
        )
        ours = [run for run in every if run.data.tags["execution"] == top.data.tags["execution"]]
        digits = [run for run in ours if run.data.tags["kind"] == "class"]
        assert len(digits) == 30
        assert all("goodness_heldout" in digit.data.metrics for digit in digits)


def test_the_working_tree_is_as_it_was(swept: Project) -> None:
    assert swept.run("git", "status", "--porcelain") == ""
    assert not (swept.root / "models").exists()
    assert swept.params()["train"] == ["default"]


def test_the_same_sweep_again_runs_nothing_and_says_the_same(swept: Project) -> None:
    before, said = trainings(swept), swept.run(*SWEEP)
    assert "2 combinations, of which 2 have run already" in said
    assert set(rows(said)) == {"2", "3"}
    assert trainings(swept) == before
    assert len(before) == 60


def test_pipelines_run_side_by_side_and_end_with_the_sweep(swept: Project) -> None:
    sweep = swept.start(*SWEEP[:-1], "networks.other.epochs=1,4", HPOE_WORKERS="2")
    swept.wait(sweep, lambda: running(sweep, "dvc exp run") >= 2)
    swept.wait(sweep, lambda: running(sweep, "python pipelines/") > 0)
    sweep.kill()
    wait_for_end(sweep)
    copies = [*(swept.root / ".hpoe/sweep/experiments").iterdir()]
    assert len(copies) == 2
    assert not any((copy / "reports/runs/evaluate.json").exists() for copy in copies)


def test_a_combination_whose_pipeline_fails_is_told_with_where_to_look(swept: Project) -> None:
    said = swept.run("hpoe", "sweep", "-S", "split.unsupervised_per_class=6000", expect=1)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "needs 6000 + 60: reduce them" in errors[0]
    script = swept.root / "pipelines/split.py"
    text = script.read_text()
    script.write_text("raise SystemExit('no split today')\n")
    said = swept.run(*SWEEP[:-1], "networks.other.epochs=3", expect=1)
    script.write_text(text)
    (error,) = re.findall(
        r"error: the pipeline of network=other .*epochs=3 failed: (\S+) says", said
    )
    assert "no split today" in Path(error).read_text()
