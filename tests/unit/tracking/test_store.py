"""Real SQLite stores that people edit, move, copy, share and damage."""

import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.command import downgrade
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.store.db.utils import _get_alembic_config
from sqlalchemy import create_engine

from hpoe.errors import RegistryError, TrackingError, UnreachableError
from hpoe.params import NAME
from hpoe.registration.registry import HISTORY, Registry
from hpoe.tracking.delivery import Delivery, deliver_kept
from hpoe.tracking.records import RunRecord, StageRecord
from hpoe.tracking.sqlite import database_file, sqlite_uri
from hpoe.tracking.store import FORMER_NAME, Tracker

MLFLOW = (sys.executable, "-m", "mlflow")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with hpoe's experiment and no runs, to be copied."""
    folder = tmp_path_factory.mktemp("store")
    Tracker(sqlite_uri(folder / "mlflow.db"))
    return folder


@pytest.fixture
def uri(empty_store: Path, tmp_path: Path) -> str:
    """The address of an empty store."""
    shutil.copytree(empty_store, tmp_path / "store")
    return sqlite_uri(tmp_path / "store" / "mlflow.db")


@pytest.fixture
def record(tmp_path: Path) -> StageRecord:
    """A stage's record, with a child, a curve and an artifact."""
    (tmp_path / "table.csv").write_text("epoch\n1\n")
    pipeline = RunRecord(
        uid="execution", name="default", artifacts={str(tmp_path / "table.csv"): ""}
    )
    stage = RunRecord(uid="execution.train", name="train")
    child = RunRecord(uid="execution.train.3", name="digit 3", curves={"error": [2.0, 1.0]})
    child.timestamps = [child.start + 1, child.start + 2]
    stage.children.append(child)
    return StageRecord(pipeline=pipeline, stage=stage)


def runs(uri: str, view: int = ViewType.ACTIVE_ONLY) -> dict[str, str]:
    """The id of each run by its name."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], run_view_type=view)
    return {str(run.info.run_name): run.info.run_id for run in found}


# Kind A: what hpoe remembers may be gone.


def test_an_experiment_deleted_in_the_ui_is_restored_with_one_warning(
    uri: str, record: StageRecord, capfd: pytest.CaptureFixture[str]
) -> None:
    client = MlflowClient(uri)
    client.delete_experiment(Tracker(uri).experiment)
    Tracker(uri).deliver(record)
    assert set(runs(uri)) == {"default", "train", "digit 3"}
    assert capfd.readouterr().out.count("\n") == 1
    Tracker(uri)
    assert capfd.readouterr().out == ""


def test_an_experiment_deleted_between_two_deliveries_is_restored(
    uri: str, record: StageRecord
) -> None:
    tracker = Tracker(uri)
    MlflowClient(uri).delete_experiment(tracker.experiment)
    tracker.deliver(record)
    assert set(runs(uri)) == {"default", "train", "digit 3"}


@pytest.mark.parametrize("gone", ["default", "train"])
@pytest.mark.parametrize("purged", [False, True])
def test_a_run_deleted_while_its_stage_works_is_made_anew_with_all_its_values(
    uri: str, record: StageRecord, tmp_path: Path, gone: str, purged: bool
) -> None:
    said: list[str] = []
    delivery = Delivery(uri, tmp_path / "state", said.append)
    delivery.open(record)
    client, before = MlflowClient(uri), runs(uri)
    client.delete_run(before[gone])
    if purged:
        command = [*MLFLOW, "gc", "--backend-store-uri", uri, "--tracking-uri", uri]
        subprocess.run(command, check=True, capture_output=True)
    record.finish("FINISHED")
    delivery.close(record)
    assert said == []
    after = runs(uri)
    assert {name for name in after if after[name] != before.get(name)} == {gone}
    child = client.get_run(after["digit 3"])
    assert [point.value for point in client.get_metric_history(after["digit 3"], "error")] == [2, 1]
    assert child.data.tags["mlflow.parentRunId"] == after["train"]
    assert client.get_run(after["train"]).data.tags["mlflow.parentRunId"] == after["default"]
    assert client.get_run(after["default"]).info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(after["default"])] == ["table.csv"]


def test_a_run_deleted_before_registration_is_made_anew(
    uri: str, record: StageRecord, tmp_path: Path
) -> None:
    delivery = Delivery(uri, tmp_path / "state", print)
    delivery.open(record)
    MlflowClient(uri).delete_run(runs(uri)["default"])
    assert delivery.top_level_run_id(record) == runs(uri)["default"]
    delivery.close(record)


def test_what_a_store_refuses_for_good_is_kept_and_delivered_later(
    uri: str, record: StageRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training never stops for the store."""
    monkeypatch.setattr("hpoe.tracking.store.PAUSES", (0, 0))
    said: list[str] = []
    delivery = Delivery(uri, tmp_path / "state", said.append)
    delivery.open(record)
    database = database_file(uri)
    assert database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE metrics RENAME TO hidden")
    record.finish("FINISHED")
    record.stage.metrics["seconds"] = 1.0
    delivery.close(record)
    assert len(said) == 1
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE hidden RENAME TO metrics")
    assert deliver_kept(tmp_path / "state", Tracker(uri)) == 1
    assert MlflowClient(uri).get_run(runs(uri)["train"]).data.metrics == {"seconds": 1.0}


def add_versions(uri: str, count: int) -> Registry:
    """Register versions without packages, and promote each in turn."""
    client = MlflowClient(uri, uri)
    client.create_registered_model(NAME)
    registry = Registry(uri)
    for number in range(1, count + 1):
        client.create_model_version(NAME, f"file:///nowhere/{number}")
        registry.promote(number)
    return registry


def test_rollback_skips_champions_that_were_deleted(uri: str) -> None:
    registry = add_versions(uri, 4)
    client = MlflowClient(uri, uri)
    for number in ("2", "3"):
        client.delete_model_version(NAME, number)
    assert registry.rollback() == 1
    assert registry.champion() == 1
    with pytest.raises(RegistryError, match="no previous champion"):
        registry.rollback()


@pytest.mark.parametrize(
    ("moved_to", "then"), [("1", None), ("2", 1), ("3", 2), (None, 3)], ids=str
)
def test_rollback_never_goes_forward_from_what_the_alias_says(
    uri: str, moved_to: str | None, then: int | None
) -> None:
    registry = add_versions(uri, 3)
    client = MlflowClient(uri, uri)
    if moved_to is None:
        client.delete_registered_model_alias(NAME, "champion")
    else:
        client.set_registered_model_alias(NAME, "champion", moved_to)
    if then is not None:
        assert registry.rollback() == then
        return
    with pytest.raises(RegistryError, match="no previous champion"):
        registry.rollback()
    assert registry.champion() == 1


def test_a_history_that_somebody_edited_is_none(uri: str) -> None:
    registry = add_versions(uri, 2)
    MlflowClient(uri, uri).set_registered_model_tag(NAME, HISTORY, "[1, two")
    with pytest.raises(RegistryError, match="no previous champion"):
        registry.rollback()
    registry.promote(1)
    assert registry.rollback() == 2


def test_a_champion_set_by_hand_is_what_rollback_returns_to(uri: str) -> None:
    registry = add_versions(uri, 3)
    MlflowClient(uri, uri).set_registered_model_alias(NAME, "champion", "1")
    registry.promote(3)
    assert registry.rollback() == 1


# Kind B: what MLflow and SQLAlchemy raise.


def test_an_older_schema_is_told_with_the_command_that_upgrades_it(uri: str) -> None:
    config, engine = _get_alembic_config(uri), create_engine(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        downgrade(config, "-1")
    for open_store in (Tracker, Registry):
        with pytest.raises(TrackingError) as caught:
            open_store(uri)
        copy, upgrade = str(caught.value).split("`")[1::2]
        assert "\n" not in str(caught.value)
    subprocess.run(shlex.split(copy), check=True)
    subprocess.run([*MLFLOW, *shlex.split(upgrade)[1:]], check=True, capture_output=True)
    Tracker(uri)


@pytest.mark.parametrize("open_store", [Tracker, Registry])
def test_a_file_that_is_no_database_is_told_at_once(
    tmp_path: Path, open_store: Callable[[str], object]
) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to be looked at\n" * 30)
    with pytest.raises(TrackingError, match=r"cannot be used \(file is not a database\)"):
        open_store(sqlite_uri(tmp_path / "notes.db"))


def test_a_store_that_cannot_be_created_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="cannot be used"):
        Tracker(sqlite_uri(tmp_path / "file" / "mlflow.db"))


def test_a_reader_creates_no_store(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="has no model"):
        Registry(sqlite_uri(tmp_path / "mlflow.db"))
    assert list(tmp_path.iterdir()) == []


# Kind C: names.


def test_the_experiment_of_an_earlier_version_gets_its_projects_name_and_keeps_its_runs(
    uri: str, record: StageRecord
) -> None:
    Tracker(uri, FORMER_NAME).deliver(record)
    client = MlflowClient(uri)
    client.rename_experiment(Tracker(uri, NAME).experiment, "out of the way")
    tracker = Tracker(uri, NAME)
    assert client.get_experiment_by_name(FORMER_NAME) is None
    assert set(runs(uri)) == {"default", "train", "digit 3"}
    assert tracker.run_id(record.stage.uid) == runs(uri)["train"]


def test_another_project_leaves_the_experiment_of_an_earlier_version_alone(
    uri: str, record: StageRecord
) -> None:
    Tracker(uri, FORMER_NAME).deliver(record)
    tracker = Tracker(uri, "symbols")
    assert tracker.run_id(record.stage.uid) is None
    assert Tracker(uri, FORMER_NAME).run_id(record.stage.uid) is not None


def test_projects_with_different_names_share_a_store(uri: str, record: StageRecord) -> None:
    client = MlflowClient(uri, uri)
    for name in ("symbols", "größe.2"):
        Tracker(uri, name).deliver(record)
        client.create_registered_model(name)
        client.create_model_version(name, f"file:///{name}")
        Registry(uri, name).promote(1)
    client.create_model_version("symbols", "file:///second")
    assert [each.number for each in Registry(uri, "symbols").versions()] == [2, 1]
    assert Registry(uri, "größe.2").need_champion() == 1
    with pytest.raises(RegistryError, match="has no model other with the alias champion"):
        Registry(uri, "other").need_champion()


def test_the_name_is_that_of_the_project_in_this_folder_unless_a_setting_names_another(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Tracker(uri).name == Registry(uri).name == NAME
    (tmp_path / "params.yaml").write_text("name: symbols\nseed: 1\n")
    assert Tracker(uri).name == Registry(uri).name == "symbols"
    monkeypatch.setenv("HPOE_MODEL", "stamps")
    assert Tracker(uri).name == Registry(uri).name == "stamps"


# Kind D: places.


@pytest.mark.parametrize("name", ["50%41 (new)", "a#b?c", "naïve 'quote\"", "x&y;z"])
def test_a_store_works_in_a_folder_of_any_name(
    tmp_path: Path, record: StageRecord, name: str
) -> None:
    uri = sqlite_uri(tmp_path / name / "mlflow.db")
    Tracker(uri).deliver(record)
    assert (tmp_path / name / "mlflow.db").stat().st_size > 0
    client, run = MlflowClient(uri), runs(uri)["default"]
    assert [file.path for file in client.list_artifacts(run)] == ["table.csv"]
    assert len(list((tmp_path / name / "artifacts").rglob("table.csv"))) == 1


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_moved_or_copied_store_finds_and_writes_artifacts_beside_it(
    uri: str, tmp_path: Path, record: StageRecord, move: Callable[[Path, Path], object]
) -> None:
    Tracker(uri).deliver(record)
    move(tmp_path / "store", tmp_path / "50% new")
    moved = sqlite_uri(tmp_path / "50% new" / "mlflow.db")
    tracker = Tracker(moved)
    client, run = MlflowClient(moved), runs(moved)["default"]
    assert client.get_run(run).info.artifact_uri.startswith((tmp_path / "50% new").as_uri())
    assert [file.path for file in client.list_artifacts(run)] == ["table.csv"]
    before = set((tmp_path / "store").rglob("*"))
    record.pipeline.uid = "another"
    tracker.deliver(record)
    assert len(list((tmp_path / "50% new" / "artifacts").rglob("table.csv"))) == 2
    assert set((tmp_path / "store").rglob("*")) == before


def test_artifacts_that_are_elsewhere_on_purpose_stay_there(
    tmp_path: Path, record: StageRecord
) -> None:
    uri = sqlite_uri(tmp_path / "mlflow.db")
    (tmp_path / "disk" / "artifacts").mkdir(parents=True)
    (tmp_path / "artifacts").mkdir()
    elsewhere = (tmp_path / "disk" / "artifacts").as_uri()
    MlflowClient(uri).create_experiment(NAME, elsewhere)
    Tracker(uri).deliver(record)
    assert MlflowClient(uri).get_run(runs(uri)["default"]).info.artifact_uri.startswith(elsewhere)


CREATE = "import sys; from hpoe.tracking.store import Tracker; Tracker(sys.argv[1])"


def test_processes_that_start_at_once_on_a_new_store_wait_for_one_another(tmp_path: Path) -> None:
    uri = sqlite_uri(tmp_path / "shared.db")
    command = [sys.executable, "-c", CREATE, uri]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for each in started:
        _, errors = each.communicate()
        assert each.returncode == 0, errors
    experiment = MlflowClient(uri).get_experiment_by_name(NAME)
    assert experiment is not None
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()


def test_a_locked_store_is_an_outage(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpoe.tracking.sqlite.SECONDS_TO_WAIT", 0)
    database = database_file(uri)
    assert database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnreachableError, match="is locked"):
            Tracker(uri)
