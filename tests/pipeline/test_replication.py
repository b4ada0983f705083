"""`hpoe replicate` and `hpoe report` on networks as small as a test can wait for."""

import json
import shutil
import sqlite3

import pandas as pd
import pytest

from hpoe.replication import FIGURES, KEPT, RESULTS
from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow
NETWORKS = ("h25", "h100")
SMALLER = f"""
from hpoe import replication
replication.SEEDS, replication.NETWORKS, replication.AVERAGED = (2,), {NETWORKS}, {NETWORKS[1:]}
from hpoe.cli import app
app()
"""


@pytest.fixture(scope="module")
def replicated(project: Project) -> Project:
    """A project with two of the paper's networks by name, replicated with one seed."""
    shutil.rmtree(project.root / RESULTS, ignore_errors=True)  # of other networks
    project.change(
        networks={
            name: {**TINY, "units": [size, size, size], "epochs": 1}
            for size, name in enumerate(NETWORKS, start=4)
        },
        train=[NETWORKS[0]],
        classifier={**project.params()["classifier"], "networks": [NETWORKS[0]]},
    )
    project.run("git", "commit", "--all", "--quiet", "--message=the paper's networks")
    project.run("python", "-c", SMALLER, "replicate")
    return project


def test_the_working_tree_is_as_it_was_and_the_results_are_kept(replicated: Project) -> None:
    assert replicated.params()["train"] == [NETWORKS[0]]
    folder = replicated.root / RESULTS / "seed2"
    assert {path.name for path in folder.iterdir()} == {*KEPT, "results.json"}
    assert len(list((replicated.root / RESULTS / "figures").iterdir())) == len(FIGURES)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(NETWORKS) <= set(metrics)
    predictions = pd.read_csv(folder / "all_predictions.csv")
    test = predictions[predictions["set"] == "test"]
    rate = (test["h100"] != test["label"]).mean()
    assert metrics["h100"]["logistic_regression"]["test_error_rate"] == rate


def test_it_is_one_execution_in_the_working_trees_own_store(replicated: Project) -> None:
    with sqlite3.connect(replicated.root / "mlruns/mlflow.db") as store:
        rows = store.execute("select artifact_location from experiments where name = 'hpoe'")
        assert rows.fetchall() == [((replicated.root / "mlruns/artifacts").as_uri(),)]
        seeds = store.execute("select value from params where key = 'seed'").fetchall()
    assert seeds == [("2",)]


def test_the_report_is_written_without_training(replicated: Project) -> None:
    replicated.run("python", "-c", SMALLER, "report")
    text = (replicated.root / "docs/replication.md").read_text()
    assert "one seed (2)" in text
    assert len(pd.read_csv(replicated.root / RESULTS / "claims.csv")) == len(NETWORKS) + 3
