"""The stack in real containers, from an empty machine to a restored backup: `make test-stack`.

The tests build on one another, in this order. Their output goes to reports/stack.log.
"""

import json
import re

import pytest

from tests.stack.engine import run
from tests.stack.running import ADMIN, Stack

READER = ("reader", "only-looks-around")
SERVICES = ("postgres", "mlflow", "model", "gateway")


def test_each_line_that_env_lacks_is_named(stack: Stack) -> None:
    for name in ("POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"):
        stack.configure(**{name: ""})
        output = stack.run("config", expect=None)
        assert f"{name} in .env" in output, output
    stack.configure()


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa"])
def test_a_weak_password_is_refused_in_one_sentence(stack: Stack, weak: str) -> None:
    stack.configure(POSTGRES_PASSWORD=weak)
    output = stack.run("run", "--rm", "-T", "--no-deps", "postgres", expect=1)
    assert "error: POSTGRES_PASSWORD in .env is weak" in output
    stack.configure(MLFLOW_AUTH_ADMIN_PASSWORD=weak)
    output = stack.run("run", "--rm", "-T", "--no-deps", "mlflow", expect=1)
    assert "error: MLFLOW_AUTH_ADMIN_PASSWORD in .env is weak" in output
    assert "Traceback" not in output
    stack.configure()


def test_it_starts_and_the_model_server_waits_for_a_champion(stack: Stack) -> None:
    stack.run("up", "-d")
    stack.wait(stack.answers)
    stack.wait(lambda: "no model hpoe-digits" in stack.predict().text)
    reply = stack.predict()
    stack.note("POST /invocations before there is a champion", f"{reply.status_code} {reply.text}")
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0


def test_a_pipeline_that_runs_in_it_ends_in_a_champion_that_is_served(stack: Stack) -> None:
    output = stack.pipeline()
    assert "does not answer" not in output
    stack.wait(lambda: stack.predict().status_code == 200)
    (answer,) = stack.predict().json()["predictions"]
    stack.note("POST /invocations", json.dumps(answer))
    assert len(answer["probabilities"]) == 10


def test_the_gateway_alone_publishes_a_port_and_on_loopback(stack: Stack) -> None:
    ports = run("docker", "ps", "--format", "{{.Names}} {{.Ports}}", "--filter", "name=hpoe-test")
    stack.note("published ports", ports)
    published = [line for line in ports.splitlines() if "->" in line]
    assert len(published) == 1
    assert "gateway" in published[0]
    assert re.findall(r"(\S+)->", published[0]) == [f"127.0.0.1:{stack.port}"]


def test_no_container_runs_as_root_or_can_gain_rights(stack: Stack) -> None:
    for service in SERVICES:
        number = stack.run("ps", "-q", service).strip()
        (found,) = json.loads(run("docker", "inspect", number))
        host = found["HostConfig"]
        assert found["Config"]["User"] not in ("", "0", "root", "0:0"), service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
        assert host["Memory"] > 0, service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        stack.wait(lambda number=number: health(number) == "healthy")


def health(number: str) -> str:
    return run("docker", "inspect", number, "--format", "{{.State.Health.Status}}").strip()


@pytest.mark.parametrize("service", ["model", "pipeline"])
def test_only_mlflow_reaches_the_database(stack: Stack, service: str) -> None:
    script = "import socket; socket.create_connection(('postgres', 5432), 5)"
    if service == "model":
        output = stack.run("exec", "-T", "model", "python", "-c", script, expect=1)
    else:
        options = ["run", "--rm", "-T", "--no-deps", "pipeline", "python", "-c", script]
        output = stack.run(*options, expect=1)
    assert "gaierror" in output  # its network does not even know the name
    stack.run("exec", "-T", "mlflow", "python", "-c", script)


def test_the_pipeline_does_not_see_the_stacks_passwords(stack: Stack) -> None:
    script = "import os, pathlib; print(pathlib.Path('.env').read_text(), os.environ)"
    output = stack.run("run", "--rm", "-T", "--no-deps", "pipeline", "python", "-c", script)
    assert ADMIN[1] not in output


def test_a_promotion_is_served_without_a_restart(stack: Stack) -> None:
    stack.pipeline("dvc", "repro", "--force", "--single-item", "register")
    stack.wait(lambda: stack.answered_by(2))
    models = stack.pipeline("hpoe", "models")
    stack.note("hpoe models", models)
    assert "champion" in models
    started = stack.run("ps", "-q", "model")
    stack.pipeline("hpoe", "promote", "1")
    stack.wait(lambda: stack.answered_by(1))
    assert stack.run("ps", "-q", "model") == started


def test_a_backup_brings_everything_back_into_an_empty_stack(stack: Stack) -> None:
    new = {"username": READER[0], "password": READER[1]}
    assert stack.post("/api/2.0/mlflow/users/create", new).status_code == 200
    before = stack.contents()
    backups = stack.folder / "backups"
    run("chown", "1000:1000", str(backups))
    output = stack.run("run", "--rm", "-T", "backup")
    (backup,) = [path for path in backups.iterdir() if path.is_dir()]
    assert f"backups/{backup.name}" in output
    refused = stack.run("run", "--rm", "-T", "restore", backup.name, expect=1)
    assert "is not empty" in refused
    cache = stack.folder / ".dvc" / "cache"
    files = sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
    assert files
    stack.run("down", "--volumes")
    run("rm", "-r", str(cache))
    stack.run("run", "--rm", "-T", "restore", backup.name)
    stack.run("up", "-d")
    stack.wait(stack.answers)
    stack.wait(lambda: stack.predict().status_code == 200)
    assert stack.contents() == before
    assert stack.predict(READER).status_code == 200  # users come back as well
    assert sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file()) == files
    number, runs = len(before["versions"]), len(before["runs"])
    stack.note(f"restored: {runs} runs, {number} versions, {before['aliases']}, same answer")


OLD_SCHEMA = """
import os, sys
sys.path.insert(0, "/opt")
import alembic.command, sqlalchemy, start
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
uri = start.database_uri("mlflow")
start.wait_for_database(uri)
Base.metadata.create_all(sqlalchemy.create_engine(uri))
config = _get_alembic_config(uri)
script = ScriptDirectory.from_config(config)
alembic.command.upgrade(config, script.get_revision(script.get_current_head()).down_revision)
"""


def test_a_schema_of_an_earlier_mlflow_is_refused_and_can_be_upgraded(stack: Stack) -> None:
    """MLflow's own migrations but the last make the database that an earlier version left."""
    stack.run("down", "--volumes")
    alone = ["run", "--rm", "-T"]
    stack.run(*alone, "--entrypoint", "python", "mlflow", "-c", OLD_SCHEMA)
    refused = stack.run(*alone, "mlflow", expect=1)
    assert "that of another MLflow" in refused
    assert "docker compose run --rm mlflow upgrade" in refused
    assert "Traceback" not in refused
    stack.run(*alone, "mlflow", "upgrade")
    stack.run("up", "-d")
    stack.wait(stack.answers)


def test_a_password_that_is_not_the_volumes_is_explained(stack: Stack) -> None:
    stack.configure(POSTGRES_PASSWORD="another-long-one")  # noqa: S106
    output = stack.run("run", "--rm", "-T", "mlflow", expect=1)
    assert "Postgres refuses POSTGRES_PASSWORD of .env" in output
    assert "Traceback" not in output
    stack.configure()
