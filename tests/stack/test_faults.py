"""Nothing is lost: services killed, disks filled and connections cut while real work runs.

FAULT_SECONDS is how long each outage lasts; the table in docs/operations.md is of 60 seconds.
Without it some faults are left out: tests/pipeline makes most of them too, with MLflow alone.
"""

import operator
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from threading import Event

import pytest

from hpoe.tracking.delivery import deliver_kept
from hpoe.tracking.records import load_record
from hpoe.tracking.store import Tracker
from tests.pipeline.project import LONG_STAGE, Project
from tests.processes import at_work, wait_until
from tests.serving.running import Client, Server
from tests.stack.champions import login_header, register_small_model
from tests.stack.points import compare
from tests.stack.services import Services
from tests.stack.tables import add_row
from tests.stack.wire import Wire
from tests.stack.writers import Writer

pytestmark = pytest.mark.slow
WRITERS = 10
SECONDS_DOWN = float(os.environ.get("FAULT_SECONDS", "2"))
at_length = pytest.mark.skipif("FAULT_SECONDS" not in os.environ, reason="make test-faults")


@pytest.fixture(autouse=True)
def logged_in(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give clients in this process the credentials in their environment, as users have them."""
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
    project.choose_longer(1)
    project.repro("split")
    return project


def start_training(project: Project) -> "subprocess.Popen[str]":
    """Start to train a layer, and return once two of its digits are trained."""
    running = project.start("dvc", "repro", "--single-item", LONG_STAGE)
    project.wait(running, lambda: project.log().count(" trained: ") > 1)
    return running


def finish_training(project: Project, running: "subprocess.Popen[str]") -> None:
    """Check that all ten digits are trained, whatever happened to the services meanwhile."""
    assert running.wait(timeout=400) == 0, project.log()
    assert "Traceback" not in project.log()
    assert project.log().count(" trained: ") == 10


def check_delivered(services: Services, project: Project, fault: str, seconds: object = "") -> None:
    """Deliver what was kept as soon as the services are back, and check that nothing is missing."""
    services.settled()
    assert " runs of stages delivered" in project.run("hpoe", "sync")
    assert not list((project.root / ".hpoe/undelivered").glob("*/*"))
    records = [load_record(path) for path in (project.root / "reports/runs").glob("*.json")]
    found = compare(services.postgres, records)
    assert found.faultless, found
    add_row(fault, seconds, found, "ten digits trained, once each; points late, but complete")


def test_postgres_killed_while_ten_stages_deliver(services: Services, tmp_path: Path) -> None:
    writers = [
        Writer(services.mlflow.uri, tmp_path / str(number), f"writer{number}")
        for number in range(WRITERS)
    ]
    with at_work(*(writer.write for writer in writers)):
        wait_until(lambda: all(len(writer.record.stage.children) > 1 for writer in writers))
        services.postgres.service.kill()
        time.sleep(SECONDS_DOWN)
        wait_until(lambda: any(writer.warnings for writer in writers))
        services.postgres.service.start()
    services.settled()
    for writer in writers:
        deliver_kept(writer.folder, Tracker(services.mlflow.uri))
    found = compare(services.postgres, [writer.record for writer in writers])
    assert found.faultless, found
    warned = sum(bool(writer.warnings) for writer in writers)
    fault = f"Postgres killed (-9) while {WRITERS} stages deliver"
    add_row(fault, SECONDS_DOWN, found, f"{warned} stages warned; `hpoe sync` delivers")


@at_length
@pytest.mark.parametrize(
    ("name", "at_start", "fault"),
    [
        ("postgres", True, "Postgres down when a stage starts"),
        ("mlflow", False, "MLflow's server killed (-9) during training"),
    ],
)
def test_a_service_killed_costs_no_training(
    services: Services, pipeline: Project, name: str, fault: str, *, at_start: bool
) -> None:
    pipeline.choose_longer(2 if at_start else 3)
    service = getattr(services, name).service
    if at_start:
        service.kill()
    try:
        running = start_training(pipeline)
        service.kill()
        finish_training(pipeline, running)
    finally:
        service.start()
    assert "`hpoe sync` delivers them" in pipeline.log()
    check_delivered(services, pipeline, fault)


def test_the_network_cut_during_training_costs_no_training(
    services: Services, pipeline: Project
) -> None:
    pipeline.choose_longer(4)
    with Wire(services.gateway.port) as wire:
        pipeline.environment["MLFLOW_TRACKING_URI"] = wire.uri
        running = start_training(pipeline)
        wire.cut()
        time.sleep(SECONDS_DOWN)
        wire.mend()
        finish_training(pipeline, running)
        pipeline.environment["MLFLOW_TRACKING_URI"] = services.gateway.uri
    fault = "the network to the server cut during training"
    check_delivered(services, pipeline, fault, SECONDS_DOWN)


def test_a_reply_that_is_lost_creates_no_second_run(services: Services, tmp_path: Path) -> None:
    with Wire(services.gateway.port) as wire:
        wire.lose_replies(b"/runs/create", 3)
        writer = Writer(wire.uri, tmp_path, "lost-replies")
        stop = Event()
        stop.set()
        writer.write(stop)
    deliver_kept(tmp_path, Tracker(services.mlflow.uri))
    found = compare(services.postgres, [writer.record])
    assert found.faultless, found
    add_row("three replies to requests that create runs lost", "", found, "found, not made again")


@pytest.fixture
def small_volume(services: Services) -> Iterator[Path]:
    """Put the server's artifacts on a volume of one megabyte."""
    folder = services.mlflow.artifacts
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=30).returncode:
        pytest.skip("mounting a small volume takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


@at_length
def test_a_full_volume_of_artifacts_costs_no_training(
    services: Services, pipeline: Project, small_volume: Path
) -> None:
    filler = small_volume / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2 * 2**20))
    pipeline.choose_longer(5)
    finish_training(pipeline, pipeline.start("dvc", "repro", "--single-item", LONG_STAGE))
    assert "`hpoe sync` delivers them" in pipeline.log()
    filler.unlink()
    check_delivered(services, pipeline, "the volume of artifacts full")
    (stored,) = small_volume.rglob("params.yaml")
    assert stored.read_bytes() == (pipeline.root / "params.yaml").read_bytes()


def test_the_model_server_killed_under_load(services: Services, tmp_path: Path) -> None:
    """Every answer is right, and every refusal says when to come again."""
    login = services.mlflow.login("model")
    expected = register_small_model(services.gateway.uri, services.mlflow.login("pipeline"))
    champion = Server(tmp_path, services.mlflow.uri, login, services.model_port)
    headers = login_header(login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
    port = services.gateway.port
    is_right = lambda text, found: bool(found["label"] == expected[text])  # noqa: E731
    clients = [Client(port, cycle(expected), is_right, headers) for _ in range(8)]

    def answered() -> list[int]:
        return [client.seen["answered"] for client in clients]

    try:
        champion.start()
        with at_work(*(client.ask for client in clients)):
            wait_until(lambda: min(answered()) > 5)
            champion.kill()
            time.sleep(SECONDS_DOWN)
            wait_until(lambda: any(len(client.seen) > 1 for client in clients))
            champion.start()
            goals = [number + 5 for number in answered()]
            wait_until(lambda: all(map(operator.gt, answered(), goals)))
    finally:
        champion.kill()
    seen = sum((client.seen for client in clients), Counter[str]())
    assert set(seen) <= {"answered", "come again: 502", "come again: 503"}, seen
    counts = ", ".join(f"{n} times {end[-3:]}" for end, n in sorted(seen.items())[1:])
    add_row(
        f"the model server killed (-9) under load, {len(clients)} clients",
        SECONDS_DOWN,
        "",
        f"{seen['answered']} right answers, 0 wrong; with Retry-After: {counts}",
    )
