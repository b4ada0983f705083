"""Experiments in DVC's own copies of the tree: the copy's code, the tree's stores."""

import sqlite3

import pytest

from tests.pipeline.project import Project
from tests.processes import wait_until

pytestmark = pytest.mark.slow


def tracked(project: Project) -> list[tuple[str, str]]:
    """The name and status of every run in the tree's own store."""
    with sqlite3.connect(project.root / "mlruns/mlflow.db") as store:
        return store.execute("select name, status from runs where name = 'split'").fetchall()


def test_an_experiment_of_dvc_in_a_temporary_copy_is_tracked_and_kept_in_the_tree(
    project: Project,
) -> None:
    mnist = project.environment.pop("HPOE_MNIST_DIR")
    (project.root / ".env").write_text(f"HPOE_MNIST_DIR={mnist}\n")  # which git does not know
    change = ("-S", "split.test_images=100")
    said = project.run("dvc", "exp", "run", "--temp", "--name", "small", *change, "split")
    assert "Ran experiment(s): small" in said
    assert tracked(project) == [("split", "FINISHED")]
    assert list((project.root / ".hpoe/executions").glob("*.json")) != []
    project.run("dvc", "exp", "apply", "small", expect=None)  # the later stages have not run
    assert project.params()["split"]["test_images"] == 100


def test_dvcs_queue_runs_the_code_as_queued_whatever_is_edited_in_the_tree(
    project: Project,
) -> None:
    change = ("-S", "split.test_images=200")
    project.run("dvc", "exp", "run", "--queue", "--name", "queued", *change, "split")
    script = project.root / "src/hpoe/data/split.py"
    text = script.read_text()
    edited = text.replace("def save_class(", "def edited_after_queueing(")
    assert edited != text
    script.write_text(edited)
    project.run("dvc", "queue", "start")

    def ended() -> bool:
        status = project.run("dvc", "queue", "status")
        return "Queued" not in status and "Running" not in status

    wait_until(ended, pause=1)
    script.write_text(text)
    said = project.run("dvc", "queue", "logs", "queued")
    assert "200 test images" in said
    assert "Success" in project.run("dvc", "queue", "status")
    assert tracked(project) == 2 * [("split", "FINISHED")]
