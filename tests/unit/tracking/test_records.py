"""Records of runs: which execution a stage belongs to, and records that come back as they were."""

import math
import os
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpoe.params import Params, flatten
from hpoe.tracking import records as runs
from hpoe.tracking.records import (
    Dataset,
    RunRecord,
    StageRecord,
    code_patch,
    execution_key,
    execution_uid,
    git_tags,
    load_record,
    pipeline_record,
    record_path,
    save_record,
)

ONE, OTHER = "digest of one split", "digest of another"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a pipeline's sources."""
    root = tmp_path / "project"
    for name, text in (
        ("dvc.yaml", "stages: {}\n"),
        ("params.yaml", "seed: 1\n"),
        ("README.md", "read me\n"),
        ("pipelines/split.py", "print('split')\n"),
        ("src/hpoe/method/rbm.py", "weights = 1\n"),
        ("src/hpoe/data/idx.py", "images = 1\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    return root


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only commit of the project, made a repository that nobody's configuration touches."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git("init", "--quiet", str(project))
    git("add", "--all")
    git("commit", "--quiet", "--message=start")
    return git("rev-parse", "HEAD").strip()


# Executions


@pytest.mark.usefixtures("project")
def test_all_stages_with_the_same_params_code_and_data_belong_to_one_execution(
    tmp_path: Path, params: Params
) -> None:
    """The first ones run before there is a split; later they may run again."""
    order = [None, None, ONE, ONE, None, ONE]
    uids = {execution_uid(tmp_path, params, data) for data in order}
    assert len(uids) == 1


@pytest.mark.usefixtures("project")
def test_an_execution_may_begin_with_the_data_there(tmp_path: Path, params: Params) -> None:
    uid = execution_uid(tmp_path, params, ONE)
    assert execution_uid(tmp_path, params, ONE) == uid
    assert execution_uid(tmp_path, params, None) == uid


@pytest.mark.usefixtures("project")
def test_other_data_make_another_execution(tmp_path: Path, params: Params) -> None:
    first = execution_uid(tmp_path, params, ONE)
    second = execution_uid(tmp_path, params, OTHER)
    assert second != first
    assert execution_uid(tmp_path, params, OTHER) == second
    assert execution_uid(tmp_path, params, None) == second


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "change",
    [
        lambda params: params.model_copy(update={"seed": 2}),
        lambda params: params.model_copy(update={"train": ("h25",)}),
        lambda params: params.model_copy(
            update={"split": params.split.model_copy(update={"test_images": 7})}
        ),
    ],
)
def test_other_params_make_another_execution_and_the_old_ones_come_back_to_theirs(
    tmp_path: Path, params: Params, change: Callable[[Params], Params]
) -> None:
    first = execution_uid(tmp_path, params, ONE)
    assert execution_uid(tmp_path, change(params), ONE) != first
    assert execution_uid(tmp_path, params, ONE) == first


@pytest.mark.parametrize(
    "name", ["dvc.yaml", "pipelines/split.py", "src/hpoe/method/rbm.py", "src/hpoe/data/idx.py"]
)
def test_other_code_makes_another_execution_and_the_old_one_comes_back(
    project: Path, tmp_path: Path, params: Params, name: str
) -> None:
    first, before = execution_uid(tmp_path, params, ONE), (project / name).read_text()
    (project / name).write_text(f"{before}# changed\n")
    assert execution_uid(tmp_path, params, ONE) != first
    (project / name).write_text(before)
    assert execution_uid(tmp_path, params, ONE) == first


def test_a_new_module_makes_another_execution(
    project: Path, tmp_path: Path, params: Params
) -> None:
    first = execution_uid(tmp_path, params, ONE)
    (project / "src/hpoe/new.py").write_text("")
    assert execution_uid(tmp_path, params, ONE) != first


@pytest.mark.parametrize("name", ["README.md", "notes.py", "params.yaml", "src/hpoe/py.typed"])
def test_other_files_do_not_matter(
    project: Path, tmp_path: Path, params: Params, name: str
) -> None:
    """params.yaml counts by what it says: comments in it do not matter."""
    first = execution_uid(tmp_path, params, ONE)
    (project / name).write_text("changed\n")
    assert execution_uid(tmp_path, params, ONE) == first


@pytest.mark.usefixtures("project")
def test_two_folders_of_state_have_executions_of_their_own(tmp_path: Path, params: Params) -> None:
    uids = [execution_uid(tmp_path / name, params, ONE) for name in ("one", "other")]
    assert uids[0] != uids[1]
    assert execution_key(params) == execution_key(params)


def test_code_that_moves_from_one_file_to_another_is_other_code(
    project: Path, params: Params
) -> None:
    """Two modules that exchange their contents."""
    before = execution_key(params)
    one, other = project / "src/hpoe/method/rbm.py", project / "src/hpoe/data/idx.py"
    texts = one.read_text(), other.read_text()
    other.write_text(texts[0])
    one.write_text(texts[1])
    assert execution_key(params) != before


# Records


texts = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
records: st.SearchStrategy[RunRecord] = st.deferred(
    lambda: st.builds(
        RunRecord,
        uid=texts,
        name=texts,
        start=st.integers(0, 2**50),
        end=st.none() | st.integers(0, 2**50),
        status=st.sampled_from(["RUNNING", "FINISHED", "FAILED", "KILLED"]),
        tags=st.dictionaries(texts, texts, max_size=2),
        params=st.dictionaries(texts, texts, max_size=2),
        metrics=st.dictionaries(texts, numbers, max_size=2),
        curves=st.dictionaries(texts, st.lists(numbers, max_size=3), max_size=2),
        timestamps=st.lists(st.integers(0, 2**50), max_size=3),
        artifacts=st.dictionaries(texts, texts, max_size=2),
        datasets=st.lists(st.builds(Dataset, name=texts, path=texts, md5=texts, context=texts)),
        children=st.lists(records, max_size=1),
    )
)


@settings(max_examples=50)
@given(records, records)
def test_a_record_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pipeline: RunRecord, stage: RunRecord
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.json"
    record = StageRecord(pipeline=pipeline, stage=stage)
    save_record(path, record)
    assert load_record(path) == record


def saved_and_loaded(path: Path, run: RunRecord) -> RunRecord:
    save_record(path, StageRecord(pipeline=run, stage=run))
    return load_record(path).stage


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_of_a_training_that_diverged_come_back(tmp_path: Path, value: float) -> None:
    run = RunRecord(uid="u", name="n", metrics={"m": value}, curves={"c": [1.0, value]})
    found = saved_and_loaded(tmp_path / "record.json", run)
    assert str(found.metrics["m"]) == str(value)
    assert str(found.curves["c"]) == str([1.0, value])


def test_a_record_keeps_its_start_though_it_is_saved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved in the very millisecond in which it was made, loaded in another."""
    monkeypatch.setattr(runs, "now", lambda: 1000)
    run = RunRecord(uid="u", name="n")
    save_record(tmp_path / "record.json", StageRecord(pipeline=run, stage=run))
    monkeypatch.setattr(runs, "now", lambda: 2000)
    assert load_record(tmp_path / "record.json").stage.start == 1000


def test_a_run_begins_running_and_ends_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "now", lambda: 1000)
    run = RunRecord(uid="u", name="n")
    assert (run.start, run.end, run.status) == (1000, None, "RUNNING")
    monkeypatch.setattr(runs, "now", lambda: 2000)
    run.finish("FAILED")
    assert (run.start, run.end, run.status) == (1000, 2000, "FAILED")


def test_runs_share_nothing() -> None:
    one, other = RunRecord(uid="1", name="one"), RunRecord(uid="2", name="other")
    one.tags["a"] = "b"
    one.children.append(other)
    assert (other.tags, other.children, RunRecord(uid="3", name="third").tags) == ({}, [], {})


def test_each_stage_has_a_record_by_stage_and_network() -> None:
    assert record_path("evaluate") == Path("reports/runs/evaluate.json")
    assert record_path("train_layer1", "h25") == Path("reports/runs/train_layer1@h25.json")


def test_the_top_level_run_has_params_code_and_versions(commit: str, params: Params) -> None:
    record = pipeline_record("0123456789abcdef", params)
    assert record.uid == record.tags["execution"] == "0123456789abcdef"
    assert record.name == "default-012345"
    assert record.params == flatten(params.model_dump(mode="json"))
    assert record.params["networks.default.momentum"] == "0.9"
    assert record.tags["mlflow.source.git.commit"] == commit
    for library in ("torch", "numpy", "scikit-learn", "dvc"):
        assert record.tags[f"version.{library}"] == version(library)
    assert record.artifacts == {"params.yaml": ""}


# Code


@pytest.mark.usefixtures("project")
def test_outside_a_repository_there_are_no_tags_and_no_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_tags() == {}
    assert code_patch() == ""


def test_without_git_there_are_no_tags(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_tags()["mlflow.source.git.commit"] == commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_tags() == {}


def test_a_clean_tree_is_its_commit(commit: str) -> None:
    assert git_tags() == {"mlflow.source.git.commit": commit, "git.dirty": "false"}
    assert code_patch() == ""


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("name", ["params.yaml", "README.md", "dvc.lock"])
def test_params_documents_and_outputs_are_not_code(project: Path, name: str) -> None:
    """What the params were stands in the run itself."""
    (project / name).write_text("changed\n")
    assert git_tags()["git.dirty"] == "false"
    assert code_patch() == ""


def change(project: Path) -> None:
    (project / "src/hpoe/method/rbm.py").write_text("weights = 2  # ä, and no newline at the end")


def change_several(project: Path) -> None:
    for name in ("dvc.yaml", "pipelines/split.py", "src/hpoe/data/idx.py"):
        (project / name).write_text(f"changed {name}\n")


def delete(project: Path) -> None:
    (project / "pipelines/split.py").unlink()


def add_known(project: Path) -> None:
    (project / "src/hpoe/new.py").write_text("new = 1\n")
    git("add", "src/hpoe/new.py")


def add_unknown(project: Path) -> None:
    (project / "src/hpoe/new.py").write_text("new = 1\n")


def add_bytes(project: Path) -> None:
    (project / "src/hpoe/table.bin").write_bytes(bytes(range(256)))
    git("add", "src/hpoe/table.bin")


def stage_only(project: Path) -> None:
    change(project)
    git("add", "--all")


def code_of(project: Path) -> dict[str, bytes]:
    files = [project / "dvc.yaml", *project.glob("pipelines/*"), *project.rglob("src/**/*.*")]
    return {str(file.relative_to(project)): file.read_bytes() for file in sorted(files)}


def assert_brings_back(patch: str, project: Path, scratch: Path) -> None:
    """Undo all changes, apply the patch, and find the same code."""
    changed = code_of(project)
    git("stash", "--quiet", "--include-untracked")
    assert code_of(project) != changed
    (scratch / "code.patch").write_bytes(patch.encode())
    git("apply", str(scratch / "code.patch"))
    assert code_of(project) == changed


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(
    "edit",
    [
        change,
        change_several,
        delete,
        add_known,
        add_unknown,
        add_bytes,
        stage_only,
    ],
)
def test_a_change_of_the_code_is_a_patch_that_brings_it_back(
    project: Path, tmp_path: Path, edit: Callable[[Path], None]
) -> None:
    edit(project)
    assert git_tags()["git.dirty"] == "true"
    assert_brings_back(code_patch(), project, tmp_path)


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.external", "true"),  # a program that prints nothing
    ],
)
def test_a_users_way_of_showing_differences_does_not_change_the_patch(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    change(project)
    with monkeypatch.context() as context:
        for name, text in (("COUNT", "1"), ("KEY_0", key), ("VALUE_0", value)):
            context.setenv(f"GIT_CONFIG_{name}", text)
        patch, tags = code_patch(), git_tags()
    assert tags["git.dirty"] == "true"
    assert_brings_back(patch, project, tmp_path)
