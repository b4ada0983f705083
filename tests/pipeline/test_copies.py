"""Experiments in DVC's own copies of the tree: the copy's code, the tree's stores."""

import shutil
import sqlite3

import pytest
import yaml

from tests.pipeline.project import SMALL, Project

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


def test_an_experiment_in_a_copy_runs_its_own_code_whatever_is_edited_in_the_tree(
    project: Project,
) -> None:
    """As of DVC's queue, whose copies lie in the same place and have the same environment."""
    copy = project.root / ".dvc/tmp/exps/standalone/queued"
    ignored = shutil.ignore_patterns(".dvc", ".git", ".hpoe", "mlruns", ".env")
    shutil.copytree(project.root, copy, ignore=ignored)
    script = project.root / "src/hpoe/data/split.py"
    text = script.read_text()
    script.write_text(text.replace("def save_split(", "def edited_after_queueing("))
    queued = Project(copy, {**project.environment, "DVC_ROOT": str(project.root)})
    queued.change(split={**SMALL["split"], "test_images": 200})
    command = yaml.safe_load((copy / "dvc.yaml").read_text())["stages"]["split"]["cmd"]
    said = queued.run("sh", "-c", command, expect=None)
    script.write_text(text)
    assert "200 test images" in said
    assert tracked(project) == 2 * [("split", "FINISHED")]
    assert not (copy / "mlruns/mlflow.db").exists()
    assert not (copy / ".hpoe").exists()
