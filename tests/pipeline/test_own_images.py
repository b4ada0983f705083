"""A newcomer's project of his own pictures, from an installed wheel, outside any clone: one story.

The tests go on from each other's state, in order. The environment has what a user installs, and
nothing of this clone.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from tests.pipeline.extras import installed
from tests.pipeline.project import Project, wait_for_end
from tests.processes import free_port

pytestmark = pytest.mark.slow
NAMES = {0: "zero", 3: "drei, 3", 7: "семь"}
"""Labels of three of scikit-learn's digits."""
NEW = (4, "four")
QUICK = (
    (r"min_updates: \d+", "min_updates: 100"),
    (r"outliers_per_kind: \d+", "outliers_per_kind: 20"),
    (r"max_epochs: 1000", "max_epochs: 20"),
)
"""Fewer updates than by default, as the tests have little time."""


def save_pictures(folder: Path, digit: int, label: str) -> None:
    """Save fifty pictures of a digit, dark on light, 24 x 24, as PNG files in a folder."""
    bunch = load_digits()
    (folder / label).mkdir(parents=True)
    for number, image in enumerate(bunch.images[bunch.target == digit][:50]):
        large = np.kron(255 - 15 * image, np.ones((3, 3))).astype(np.uint8)
        Image.fromarray(large).save(folder / label / f"{number}.png")


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, the pipeline and the server."""
    return installed(f"hpoe[pipeline,serve] @ {wheel.as_uri()}", tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def own(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that `hpoe init` has just made beside a folder of pictures."""
    folder = tmp_path_factory.mktemp("newcomer")
    for digit, label in NAMES.items():
        save_pictures(folder / "my pictures", digit, label)
    there = Project(
        folder,
        {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "HPOE_WORKERS": "1",
            "MLFLOW_TRACKING_URI": "",
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        },
    )
    said = there.run("hpoe", "init", "symbols", "--images", "my pictures")
    assert "семь (50)" in said
    there.root = folder / "symbols"
    yield there
    shutil.rmtree(folder)


def test_the_pipeline_runs_to_a_champion(own: Project) -> None:
    params = (own.root / "params.yaml").read_text()
    for pattern, value in QUICK:
        params, found = re.subn(pattern, value, params)
        assert found == 1
    (own.root / "params.yaml").write_text(params)
    assert own.run("hpoe", "check") == ""
    said = own.run("dvc", "repro")
    assert "symbols version 1 registered as the candidate" in said
    assert "version 1 is the champion" in said
    metrics = json.loads((own.root / "reports/metrics.json").read_text())
    assert metrics["test_error_rate"] < 0.2


def test_a_second_repro_runs_only_the_look_at_the_installed_code(own: Project) -> None:
    assert own.repro() == ["code"]
    assert own.run("dvc", "status").split() == ["code:", "always", "changed"]


def test_every_command_of_the_readme_is_one_of_hpoe_dvc_git_or_pip(own: Project) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (own.root / "README.md").read_text(), re.S)
    commands = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    known = own.run("hpoe", "--help")
    for command in filter(None, commands):
        program, name, *_ = command.split()
        assert program == "dvc" or (program == "hpoe" and f" {name} " in known)


def test_predict_answers_with_the_users_labels(own: Project) -> None:
    files = [f"../my pictures/{label}/1.png" for label in NAMES.values()]
    lines = own.run("hpoe", "predict", "--json", *files).splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["label"] for answer in answers] == list(NAMES.values())
    assert all(set(answer["probabilities"]) == set(NAMES.values()) for answer in answers)


def test_summary_models_sync_and_score_work(own: Project) -> None:
    assert "logistic regression" in own.run("hpoe", "summary")
    assert "symbols" in own.run("hpoe", "models")
    assert own.run("hpoe", "sync").startswith("0 runs")
    picture = (own.root.parent / "my pictures/zero/1.png").read_bytes()
    table = pd.DataFrame({"image": [base64.b64encode(picture).decode()]})
    table.to_parquet(own.root.parent / "in.parquet")
    own.run("hpoe", "score", "../in.parquet", "../out.parquet")
    assert pd.read_parquet(own.root.parent / "out.parquet")["label"].tolist() == ["zero"]


@pytest.mark.parametrize("command", ["replicate", "report"])
def test_the_papers_commands_say_where_they_belong(own: Project, command: str) -> None:
    assert "run this command in a clone of hpoe" in own.run("hpoe", command, expect=1)


def test_the_server_answers_as_predict_does(own: Project) -> None:
    port = free_port()
    running = own.start("hpoe", "serve", HPOE_SERVE_PORT=str(port))
    picture = own.root.parent / "my pictures/zero/1.png"
    body = {"dataframe_records": [{"image": base64.b64encode(picture.read_bytes()).decode()}]}

    def is_up() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/ping", timeout=1).ok
        except requests.RequestException:
            return False

    try:
        own.wait(running, is_up)
        reply = requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=60)
    finally:
        running.terminate()
        wait_for_end(running)
    (served,) = reply.json()["predictions"]
    predicted: dict[str, Any] = json.loads(own.run("hpoe", "predict", "--json", str(picture)))
    predicted.pop("file")
    assert served.pop("probabilities") == pytest.approx(predicted.pop("probabilities"))
    assert served == pytest.approx(predicted)


def commit(own: Project) -> None:
    """Commit everything."""
    own.run("git", "add", "--all")
    own.run("git", "commit", "--quiet", "--message=state")


def test_a_sweep_finds_the_installed_code_and_the_images(own: Project) -> None:
    commit(own)
    said = own.run("hpoe", "sweep", "-S", "seed=1,2")
    assert "2 combinations" in said
    assert said.count("sweep-") >= 2


def test_a_new_class_trains_that_class_alone(own: Project) -> None:
    before = own.weights()
    save_pictures(own.root.parent / "my pictures", *NEW)
    said = own.run("dvc", "repro")
    trained = re.findall(r"^class (.*) trained", said, re.M)
    assert trained == ["four"] * 3
    after = own.weights()
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 3
    assert "version 2" in said


def test_checkout_restores_code_and_params_and_says_that_images_have_no_versions(
    own: Project,
) -> None:
    """The pictures are outside of the project, so that nobody keeps those of before."""
    commit(own)
    listing = "import sqlite3; print(sqlite3.connect('mlruns/mlflow.db').execute(\"SELECT run_uuid "
    listing += 'FROM runs ORDER BY start_time LIMIT 1").fetchone()[0])'
    run = subprocess.run(
        [sys.executable, "-c", listing], cwd=own.root, capture_output=True, text=True, check=True
    )
    now, labels = (own.root / "code.json").read_bytes(), len(own.weights()) // 3
    said = own.run("hpoe", "checkout", run.stdout.strip())
    assert "my pictures has no versions" in " ".join(said.split())
    assert len(own.weights()) // 3 == labels
    own.run("git", "switch", "--discard-changes", "-")
    assert own.repro()[0] == "code"
    assert len(own.weights()) // 3 == labels
    assert (own.root / "code.json").read_bytes() == now


def test_another_version_of_hpoe_runs_the_stages_whose_code_it_changes(
    own: Project, programs: Path
) -> None:
    (site,) = (programs.parent / "lib").glob("python*/site-packages")
    changed = site / "hpoe/pipelines/evaluate.py"
    text = changed.read_text()
    before = own.weights()
    try:
        changed.write_text(f"{text}\n# another version\n")
        assert own.repro() == ["code", "evaluate", "publish"]  # which shows the new run
    finally:
        changed.write_text(text)
    assert own.weights() == before
    assert own.repro() == ["code"]


def test_images_that_are_gone_are_told(own: Project) -> None:
    params = yaml.safe_load((own.root / "params.yaml").read_text())
    params["data"]["path"] = "/nowhere"
    own.write_params(params)
    assert "data.path is /nowhere, which does not exist" in own.run("hpoe", "check", expect=1)
