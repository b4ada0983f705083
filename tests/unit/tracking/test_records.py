"""Records of runs: which execution a stage belongs to, and records that come back as they were."""

import math
import os
import time
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock

import pytest

from hpoe.method.processor import processor
from hpoe.params import Params, flatten
from hpoe.tracking import records as runs
from hpoe.tracking.records import (
    RunRecord,
    StageRecord,
    execution_uid,
    load_record,
    pipeline_record,
    save_record,
)

ONE, OTHER = "digest of one split", "digest of another"


# Executions


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("order", [[None, None, ONE, ONE, None, ONE], [ONE, ONE, None]])
def test_all_stages_with_the_same_params_code_and_data_belong_to_one_execution(
    tmp_path: Path, params: Params, order: list[str | None]
) -> None:
    """The first stages run before there is a split, unless it is there already."""
    assert len({execution_uid(tmp_path, params, data) for data in order}) == 1


@pytest.mark.usefixtures("project")
def test_other_params_or_data_make_another_execution_and_old_params_come_back_to_theirs(
    tmp_path: Path, params: Params
) -> None:
    first = execution_uid(tmp_path, params, ONE)
    assert execution_uid(tmp_path, params.model_copy(update={"seed": 2}), ONE) != first
    assert execution_uid(tmp_path, params, ONE) == first
    second = execution_uid(tmp_path, params, OTHER)
    assert second != first
    assert execution_uid(tmp_path, params, OTHER) == second
    assert execution_uid(tmp_path, params, None) == second


def test_other_code_makes_another_execution_and_the_old_one_comes_back(
    project: Path, tmp_path: Path, params: Params
) -> None:
    first = execution_uid(tmp_path, params, ONE)
    for name in ("dvc.yaml", "pipelines/split.py", "src/hpoe/data/idx.py"):
        before = (project / name).read_text()
        (project / name).write_text(f"{before}# changed\n")
        assert execution_uid(tmp_path, params, ONE) != first
        (project / name).write_text(before)
        assert execution_uid(tmp_path, params, ONE) == first
    (project / "src/hpoe/new.py").write_text("")
    assert execution_uid(tmp_path, params, ONE) != first


def test_other_files_do_not_matter(project: Path, tmp_path: Path, params: Params) -> None:
    """params.yaml counts by what it says: comments in it do not matter."""
    first = execution_uid(tmp_path, params, ONE)
    for name in ("README.md", "notes.py", "params.yaml", "src/hpoe/py.typed"):
        (project / name).write_text("changed\n")
    assert execution_uid(tmp_path, params, ONE) == first


# Records


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_records_and_the_values_of_a_training_that_diverged_come_back(
    tmp_path: Path, value: float
) -> None:
    children = [RunRecord(uid="d", name="digit 7", params={"a": "1"}, timestamps=[2**50])]
    run = RunRecord(uid="u", name="n", metrics={"m": value}, curves={"c": [1.0, value]})
    pipeline = RunRecord(uid="p", name="ä", tags={"t": ""}, children=children)
    save_record(tmp_path / "record.json", StageRecord(pipeline=pipeline, stage=run))
    assert load_record(tmp_path / "record.json").pipeline == pipeline
    found = load_record(tmp_path / "record.json").stage
    assert str(found.metrics["m"]) == str(value)
    assert str(found.curves["c"]) == str([1.0, value])


def test_both_runs_of_a_record_keep_their_start_and_end_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    record = StageRecord(pipeline=RunRecord(uid="p", name="p"), stage=RunRecord(uid="s", name="s"))
    assert (record.stage.end, record.stage.status) == (None, "RUNNING")
    monkeypatch.setattr(time, "time_ns", lambda: 2_000_000_000)
    record.finish("FAILED")
    save_record(tmp_path / "record.json", record)
    monkeypatch.setattr(time, "time_ns", lambda: 3_000_000_000)
    for run in vars(load_record(tmp_path / "record.json")).values():
        assert (run.start, run.end, run.status) == (1000, 2000, "FAILED")


def test_the_top_level_run_has_params_code_and_versions(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "git_tags", lambda _: {"git.dirty": "true"})
    record = pipeline_record("0123456789abcdef", params, b"")
    assert record.uid == record.tags["execution"] == "0123456789abcdef"
    assert record.name == "default-012345"
    assert record.params == flatten(params.model_dump(mode="json"))
    assert record.params["networks.default.momentum"] == "0.9"
    assert record.tags["git.dirty"] == "true"
    assert record.tags["processor"] == processor().name
    for library in ("torch", "numpy", "scikit-learn", "dvc"):
        assert record.tags[f"version.{library}"] == version(library)
    assert record.artifacts == {"params.yaml": ""}


@pytest.mark.usefixtures("project")
def test_a_user_without_a_name_is_recorded_by_number(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs as any number."""
    monkeypatch.setattr("getpass.getuser", Mock(side_effect=OSError("No username set")))
    assert pipeline_record("x", params, b"").tags["mlflow.user"] == str(os.getuid())
