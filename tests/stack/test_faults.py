"""Nothing is lost: services killed, disks filled and wires cut while the real things run.

FAULT_SECONDS is how long each outage lasts; the table in docs/operations.md is of 60 seconds.
Without it some faults are left out: tests/pipeline makes most of them too, with MLflow alone.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from mlflow import MlflowClient

from hpoe.tensors import load_tensors
from hpoe.tracking.delivery import deliver_kept
from hpoe.tracking.records import load_record
from hpoe.tracking.store import Tracker
from tests.pipeline.project import SMALL, TINY, Project
from tests.serving.running import Server, wait_until
from tests.stack.champions import (
    UNAVAILABLE,
    Client,
    login_header,
    register_small_model,
    total,
)
from tests.stack.points import Tally, compare, compare_records, stored_points
from tests.stack.services import Services
from tests.stack.tables import Table
from tests.stack.wire import Wire
from tests.stack.writers import Plain, Recorded

pytestmark = pytest.mark.slow
WRITERS = 20
SECONDS_DOWN = float(os.environ.get("FAULT_SECONDS", "2"))
at_length = pytest.mark.skipif("FAULT_SECONDS" not in os.environ, reason="make test-faults")
LONGER = {**TINY, "units": [60, 15, 10], "minibatch_size": 5, "epochs": 150}
STAGE = "train_layer1@longer"
note = Table("faults", "fault", "seconds", "points", "retrained digits", "what happened")


@pytest.fixture(autouse=True)
def logged_in(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients in this process have the credentials in their environment, as users do."""
    for name, value in services.mlflow.login("pipeline").items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def pipeline(project: Project, services: Services) -> Project:
    """The project tracking through the gateway, its data split."""
    project.environment |= {
        **services.mlflow.login("pipeline"),
        "MLFLOW_TRACKING_URI": services.gateway.uri,
        "HPOE_CHECKPOINT_SECONDS": "0.02",
    }
    longer(project, 1)
    project.repro("split")
    return project


def longer(project: Project, seed: int) -> None:
    """Set the project to a training of some seconds, new to every store."""
    project.change(
        seed=seed,
        train=["longer"],
        networks={"longer": LONGER, "other": SMALL["networks"]["other"]},
        classifier={**SMALL["classifier"], "networks": ["longer"]},
    )


def in_mid_training(project: Project, stage: str = STAGE) -> "subprocess.Popen[str]":
    """Start a stage; it runs, and two digits are trained."""
    running = project.start("dvc", "repro", "--single-item", stage)
    wait_until(lambda: project.log().count(" trained: ") > 1 or running.poll() is not None)
    assert running.poll() is None, project.log()
    return running


def tally(services: Services, project: Project) -> Tally:
    """The points of the stages' newest runs, in the database beside the records on disk."""
    records = [load_record(path) for path in (project.root / "reports/runs").glob("*.json")]
    return compare_records(services.postgres, records)


def said(services: Services, project: Project, fault: str, seconds: float | None = None) -> None:
    """Add a row of a fault that the pipeline met; that each digit was trained once is asserted."""
    shown = "" if seconds is None else f"{seconds:g}"
    note(
        fault,
        shown,
        tally(services, project),
        0,
        "ten digits trained, once each; points late, but whole",
    )


def assert_sync_delivers_all(services: Services, project: Project) -> None:
    """As soon as the services are back; nothing is left over then."""
    services.settled()
    assert " runs of stages delivered" in project.run("hpoe", "sync")
    assert not list((project.root / ".hpoe/undelivered").glob("*/*"))
    assert tally(services, project).faultless, tally(services, project)


def test_postgres_killed_while_twenty_writers_log(services: Services, tmp_path: Path) -> None:
    experiment = MlflowClient(services.mlflow.uri).create_experiment("writers")
    plain = [Plain(services.mlflow.uri, experiment) for _ in range(WRITERS // 2)]
    recorded = [
        Recorded(services.mlflow.uri, tmp_path / str(number), f"writer{number}")
        for number in range(WRITERS // 2)
    ]
    stop = Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            futures = [pool.submit(each.write, stop) for each in plain]
            futures += [pool.submit(each.write, stop) for each in recorded]
            wait_until(lambda: all(len(each.acknowledged) > 100 for each in plain))
            services.postgres.service.kill()
            time.sleep(SECONDS_DOWN)
            wait_until(lambda: any(each.refused for each in plain))
            services.postgres.service.start()
            back = [len(each.acknowledged) for each in plain]
            wait_until(
                lambda: all(
                    len(each.acknowledged) > before
                    for each, before in zip(plain, back, strict=True)
                )
            )
        finally:
            stop.set()
        for future in futures:
            future.result(timeout=120)
    assert sum(each.refused for each in plain)
    acknowledged = [point for each in plain for point in each.acknowledged]
    stored = stored_points(services.postgres, {point[0] for point in acknowledged})
    found = compare(acknowledged, stored)
    assert found.faultless, found
    refused = sum(each.refused for each in plain)
    note(
        "Postgres killed (-9) while 20 writers log: MLflow's log_batch", f"{SECONDS_DOWN:g}",
        found, "", f"{refused} batches refused, and sent again until acknowledged",
    )  # fmt: skip
    services.settled()
    for each in recorded:
        deliver_kept(each.folder, Tracker(services.mlflow.uri))
    found = compare_records(services.postgres, [each.record for each in recorded])
    assert found.faultless, found
    warned = sum(bool(each.warnings) for each in recorded)
    note(
        "the same: hpoe's own delivery", f"{SECONDS_DOWN:g}", found, "",
        f"{warned} of {len(recorded)} stages warned; `hpoe sync` delivers",
    )  # fmt: skip


@at_length
def test_a_stage_that_starts_while_postgres_is_down_costs_nothing(
    services: Services, pipeline: Project
) -> None:
    pipeline.change(train=["other"], classifier={**SMALL["classifier"], "networks": ["other"]})
    services.postgres.service.kill()
    try:
        output = pipeline.run("dvc", "repro", "--single-item", "train_layer1@other")
    finally:
        services.postgres.service.start()
    assert "the work goes on" in output
    assert "Traceback" not in output
    assert output.count(" trained: ") == 10
    assert_sync_delivers_all(services, pipeline)
    said(services, pipeline, "Postgres down when a stage starts")


@at_length
def test_mlflow_killed_in_mid_training(services: Services, pipeline: Project) -> None:
    longer(pipeline, 2)
    running = in_mid_training(pipeline)
    services.mlflow.service.kill()
    try:
        assert running.wait(timeout=200) == 0, pipeline.log()
        assert "`hpoe sync` delivers them" in pipeline.log()
        assert "Traceback" not in pipeline.log()
        assert pipeline.log().count(" trained: ") == 10
        assert tally(services, pipeline).lost
    finally:
        services.mlflow.service.start()
    assert_sync_delivers_all(services, pipeline)
    said(services, pipeline, "MLflow's server killed (-9) in mid-training")


@at_length
def test_the_pipeline_killed_in_mid_training(services: Services, pipeline: Project) -> None:
    longer(pipeline, 3)
    others = trained_epochs(pipeline)
    running = in_mid_training(pipeline)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    trained = trained_epochs(pipeline)
    before = {name: trained[name] for name in trained.keys() - others.keys()}
    pipeline.repro("--single-item", STAGE)
    after = trained_epochs(pipeline)
    lost = [name for name, epochs in before.items() if after[name][: len(epochs)] != epochs]
    assert lost == []
    assert sum(len(epochs) == LONGER["epochs"] for epochs in before.values()) >= 2
    found = tally(services, pipeline)
    assert found.faultless, found
    whole = sum(len(epochs) == LONGER["epochs"] for epochs in before.values())
    note(
        "the pipeline killed (-9) in mid-training", "", found, 0,
        f"{whole} digits were whole, {len(before) - whole} went on from checkpoints",
    )  # fmt: skip


def trained_epochs(project: Project) -> dict[str, list[int]]:
    """By fingerprint, when each epoch of each digit's training so far ended."""
    files = (project.root / ".hpoe/digits").glob("*.safetensors")
    return {path.name: load_tensors(path, "")[0]["timestamps"].tolist() for path in files}


def test_the_network_cut_in_mid_training(services: Services, pipeline: Project) -> None:
    longer(pipeline, 4)
    with Wire(services.gateway.port) as wire:
        pipeline.environment["MLFLOW_TRACKING_URI"] = wire.uri
        running = in_mid_training(pipeline)
        wire.cut()
        time.sleep(SECONDS_DOWN)
        wire.mend()
        assert running.wait(timeout=400) == 0, pipeline.log()
        assert "Traceback" not in pipeline.log()
        assert pipeline.log().count(" trained: ") == 10
        pipeline.environment["MLFLOW_TRACKING_URI"] = services.gateway.uri
    assert_sync_delivers_all(services, pipeline)
    said(services, pipeline, "the network to the server cut in mid-training", SECONDS_DOWN)


def test_a_reply_that_is_lost_makes_no_second_run(services: Services, tmp_path: Path) -> None:
    with Wire(services.gateway.port) as wire:
        wire.lose_replies(b"/runs/create", 3)
        writer = Recorded(wire.uri, tmp_path, "lost-replies")
        stop = Event()
        stop.set()
        writer.write(stop)
    deliver_kept(tmp_path, Tracker(services.mlflow.uri))
    found = compare_records(services.postgres, [writer.record])
    assert found.faultless, found
    note(
        "three replies to requests that make runs lost", "", found, "", "found, and not made again"
    )


@pytest.fixture
def small_volume(services: Services) -> Iterator[Path]:
    """The server's artifacts on a volume of one megabyte."""
    folder = services.mlflow.artifacts
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=30).returncode:
        pytest.skip("mounting a small volume takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


@at_length
def test_the_volume_of_artifacts_is_full(
    services: Services, pipeline: Project, small_volume: Path
) -> None:
    filler = small_volume / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2 * 2**20))
    pipeline.change(
        seed=5, train=["other"], classifier={**SMALL["classifier"], "networks": ["other"]}
    )
    output = pipeline.run("dvc", "repro", "--single-item", "train_layer1@other")
    assert "the work goes on" in output
    assert "Traceback" not in output
    assert output.count(" trained: ") == 10
    filler.unlink()
    assert_sync_delivers_all(services, pipeline)
    said(services, pipeline, "the volume of artifacts full")
    (stored,) = small_volume.rglob("params.yaml")
    assert stored.read_bytes() == (pipeline.root / "params.yaml").read_bytes()


@pytest.fixture(scope="module")
def champion(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The model server with a small champion, where the gateway looks for it."""
    services.settled()
    login = services.mlflow.login("model")
    folder = tmp_path_factory.mktemp("model")
    server = Server(folder, services.mlflow.uri, login, services.model_port)
    yield server
    server.kill()


def test_the_model_server_killed_under_load(services: Services, champion: Server) -> None:
    writer, login = services.mlflow.login("pipeline"), services.mlflow.login("model")
    expected = register_small_model(services.gateway.uri, writer)
    headers = login_header(login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    champion.start()
    clients = [Client(services.gateway.port, headers, expected) for _ in range(8)]
    stop = Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        try:
            futures = [pool.submit(client.ask, stop) for client in clients]
            wait_until(lambda: all(client.right > 5 for client in clients))
            champion.kill()
            time.sleep(SECONDS_DOWN)
            wait_until(lambda: any(client.refused for client in clients))
            champion.start()
            before = [client.right for client in clients]
            wait_until(
                lambda: all(
                    client.right > then + 5 for client, then in zip(clients, before, strict=True)
                )
            )
        finally:
            stop.set()
        for future in futures:
            future.result(timeout=120)
    right, wrong, refused, strange = total(clients)
    assert strange == []
    assert wrong == 0
    assert right
    assert set(refused) <= set(UNAVAILABLE)
    assert refused
    note(
        f"the model server killed (-9) under load, {len(clients)} clients", f"{SECONDS_DOWN:g}", "",
        "", f"{right} right answers, {wrong} wrong; with Retry-After: {_shown(refused)}",
    )  # fmt: skip


def _shown(refused: Counter[int]) -> str:
    return ", ".join(f"{count} times {status}" for status, count in sorted(refused.items()))
