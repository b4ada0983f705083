"""`hpoe replicate` and `hpoe report` on networks as small as a test can wait for."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hpoe.paper.replication import FIGURES
from hpoe.paper.results import (
    DIGESTS,
    LADDER,
    LADDER_PREDICTIONS,
    PREDICTIONS,
    RECORD,
    RESULTS,
    SECONDS,
    SEED_FILES,
)
from tests.pipeline.project import TINY, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "REPLICATION" not in os.environ,
        reason="minutes: REPLICATION=1 pytest tests/pipeline/test_replication.py",
    ),
]
NETWORKS = ("h25", "h100")
SMALLER = f"""
from hpoe.paper import results
results.NETWORKS, results.AVERAGED = {NETWORKS}, {NETWORKS[1:]}
from hpoe.paper import replication
replication.SEEDS, replication.SIZES, replication.METHODS = (2,), (50,), ("linear",)
replication.COPIES, replication.DESKEWED = 2, 1
from hpoe.cli import app
app()
"""


@pytest.fixture(scope="module")
def replicated(project: Project) -> Project:
    """A project with two of the paper's networks by name, all replicated once, without USPS."""
    shutil.rmtree(project.root / RESULTS, ignore_errors=True)  # of other networks
    project.change(
        networks={"default": TINY}
        | {
            name: {**TINY, "units": [size, size, size], "epochs": 1}
            for size, name in enumerate(NETWORKS, start=4)
        }
    )
    models = {name: {**TINY, "epochs": 1} for name in ("separate", "shared", "joint")}
    section_six = {"usps_unsupervised": 0.75, "mnist": models, "usps": models}
    (project.root / "paper/params.yaml").write_text(yaml.safe_dump(section_six))
    project.run("git", "commit", "--all", "--quiet", "--message=the paper's networks")
    nowhere = str(project.root.parent / "nowhere")
    said = project.run("python", "-c", SMALLER, "replicate", HPOE_USPS_DIR=nowhere)
    assert "has no zip.train.gz; section 6 is run without USPS" in said
    return project


def test_the_working_tree_is_as_it_was_and_the_results_are_kept(replicated: Project) -> None:
    assert replicated.params()["train"] == ["default"]
    kept = replicated.root / RESULTS
    folder = kept / "seed2"
    of = {
        "seed2": (*SEED_FILES, SECONDS),
        "seven_or_nine2": (PREDICTIONS,),
        "classes9": ("metrics.json", DIGESTS),
        "classes10": ("metrics.json", DIGESTS),
        "ladder2": (LADDER, LADDER_PREDICTIONS),
        "images50": ("metrics.json",),
        "others": ("baseline_linear.json", "shared_model_mnist.json", "joint_model_mnist.json"),
    }
    for name, files in of.items():
        assert {path.name for path in (kept / name).iterdir()} == {*files, RECORD}
    drawn = {path.name for path in (kept / "figures").iterdir()}
    assert drawn == {Path(name).name for name in FIGURES} | {"calibration.png"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(NETWORKS) <= set(metrics)
    predictions = pd.read_csv(folder / "all_predictions.csv")
    test = predictions[predictions["set"] == "test"]
    rate = (test["h100"] != test["label"]).mean()
    assert metrics["h100"]["logistic_regression"]["test_error_rate"] == rate


def test_an_experiment_is_one_execution_in_the_working_trees_own_store(replicated: Project) -> None:
    with sqlite3.connect(replicated.root / "mlruns/mlflow.db") as store:
        rows = store.execute("select artifact_location from experiments where name = 'hpoe'")
        assert rows.fetchall() == [((replicated.root / "mlruns/artifacts").as_uri(),)]
        seeds = store.execute("select value from params where key = 'seed'").fetchall()
    assert sorted(seeds) == [("1",)] * 4 + [("2",)] * 3


def test_the_report_is_written_without_training(replicated: Project) -> None:
    replicated.run("python", "-c", SMALLER, "report")
    text = (replicated.root / "docs/replication.md").read_text()
    assert "one seed (2)" in text
    assert len(pd.read_csv(replicated.root / RESULTS / "claims.csv")) == len(NETWORKS) + 9
