"""Start MLflow's server: check .env, create the stack's own users, then become the server.

`python start.py` serves; `python start.py upgrade` brings the databases to this MLflow's schema.
All settings come from the environment, so that it runs as a process as well as in a container.
"""

import configparser
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.exc import OperationalError

LOGINS = Path(os.environ.get("LOGINS", "/logins"))
"""One volume per service, with the name and the random password of its user."""
ADMINISTRATOR, WRITER, READER = "administrator", "writer", "reader"
USERS = {"model": READER, "pipeline": WRITER, "prometheus": ADMINISTRATOR}
"""The services that log in; MLflow shows its metrics only to administrators."""
WORKSPACE = "default"
GRANTS = (("workspace", "USE"), ("experiment", "EDIT"), ("registered_model", "EDIT"))
"""Permissions of the role `writers`: to create and change experiments, runs and models."""
SECONDS_TO_CONNECT = 60
UVICORN = "--timeout-worker-healthcheck 60"
"""Uvicorn's default of 5 s kills every worker that starts on a busy machine."""


class StartError(Exception):
    """A reason, in one sentence, why the server cannot start."""


def main() -> None:
    """Serve, or upgrade the schema."""
    try:
        check_passwords("POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD")
        wait_for_database(database_uri("mlflow"))
        if sys.argv[1:] == ["upgrade"]:
            upgrade()
        else:
            check_schema(database_uri("mlflow"))
            configure()
            make_users()
            serve()
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def check_passwords(*names: str) -> None:
    """Refuse passwords that are missing or easy to guess.

    Raises:
        StartError: one of them is; the message names its line of .env.
    """
    for name in names:
        value = os.environ.get(name, "")
        if len(value) < 12 or len(set(value)) < 6:
            raise StartError(
                f"{name} in .env is weak: give 12 characters or more, 6 of them different"
            )


def database_uri(name: str) -> str:
    """Return the address of one of the two databases."""
    password = quote(os.environ["POSTGRES_PASSWORD"], safe="")
    host = os.environ.get("POSTGRES_HOST", "postgres")
    port = os.environ.get("POSTGRES_PORT", "5432")
    return f"postgresql+psycopg2://mlflow:{password}@{host}:{port}/{name}"


def wait_for_database(uri: str) -> None:
    """Wait until the database accepts connections.

    Raises:
        StartError: it did not within a minute, or it refuses the password.
    """
    engine = sqlalchemy.create_engine(uri)
    end = time.monotonic() + SECONDS_TO_CONNECT
    while True:
        try:
            engine.connect().close()
        except OperationalError as error:
            reason = str(error.orig).strip().replace("\n", " ")
            if "authentication failed" in reason:
                raise StartError(
                    "Postgres refuses POSTGRES_PASSWORD of .env: the volume was created with "
                    "another one; docs/operations.md says how to change it"
                ) from None
            if time.monotonic() > end:
                raise StartError(f"Postgres does not answer ({reason})") from None
            time.sleep(0.5)
        else:
            break
    engine.dispose()


def check_schema(uri: str) -> None:
    """Refuse a database of another version of MLflow.

    Raises:
        StartError: its schema is older or newer than this MLflow's.
    """
    import mlflow
    from mlflow.store.db.utils import _get_latest_schema_revision

    engine = sqlalchemy.create_engine(uri)
    with engine.connect() as connection:
        found = None
        if sqlalchemy.inspect(connection).has_table("alembic_version"):
            found = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    expected = _get_latest_schema_revision()
    if found not in (None, expected):
        raise StartError(
            f"the database's schema is {found}, that of another MLflow; {mlflow.__version__} needs "
            f"{expected}: make a backup, then `docker compose run --rm mlflow upgrade`"
        )


def upgrade() -> None:
    """Bring both databases to this MLflow's schema."""
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", database_uri("mlflow")]
    if os.spawnv(os.P_WAIT, sys.executable, command) != 0:
        raise StartError("the schema was not upgraded: the lines above say why")
    from mlflow.server.auth.db import utils

    engine = sqlalchemy.create_engine(database_uri("mlflow_auth"))
    utils.migrate(engine, "head")
    engine.dispose()


def configure() -> None:
    """Set the environment variables that the server reads.

    Raises:
        StartError: the administrator has no name.
    """
    if not os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME"):
        raise StartError("MLFLOW_AUTH_ADMIN_USERNAME in .env is empty: name the administrator")
    scratch = Path(tempfile.mkdtemp(prefix="mlflow-"))
    auth = configparser.ConfigParser(interpolation=None)
    auth["mlflow"] = {
        "database_uri": database_uri("mlflow_auth").replace("%", "%%"),  # MLflow interpolates
        # A user without a role reads everything, and creates and changes nothing. That needs
        # workspaces: without them MLflow lets every user create experiments and models.
        "default_permission": "READ",
        "grant_default_workspace_access": "true",
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        # Password hashes are slow on purpose. A changed password takes effect after this time.
        "auth_cache_ttl_seconds": "10",
    }
    with (scratch / "auth.ini").open("w") as file:
        auth.write(file)
    os.environ |= {
        "MLFLOW_AUTH_CONFIG_PATH": str(scratch / "auth.ini"),
        "MLFLOW_BACKEND_STORE_URI": database_uri("mlflow"),
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Neither the server nor who loads a model may fetch it from an address that a client chose.
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": r"^(models|runs|mlflow-artifacts):/",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # It has to be the same in all workers, and signs only the form of /signup.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "METRICS": str(scratch / "metrics"),
    }


def make_users() -> None:
    """Create the administrator, the role `writers`, and the services' users."""
    from mlflow.server import auth

    auth.bootstrap_admin_user()
    role = role_of_writers()
    for name, kind in USERS.items():
        folder = LOGINS / name
        if not folder.is_dir():
            continue
        password = password_in(folder)
        if auth.store.has_user(name):
            auth.store.update_user(name, password=password, is_admin=kind == ADMINISTRATOR)
        else:
            auth.store.create_user(name, password, is_admin=kind == ADMINISTRATOR)
        user = auth.store.get_user(name).id
        held = {each.id for each in auth.store.list_user_roles(user)}
        if kind == WRITER and role not in held:
            auth.store.assign_role_to_user(user, role)
        (folder / "credentials").write_text(
            f"[mlflow]\nmlflow_tracking_username = {name}\nmlflow_tracking_password = {password}\n"
        )


def role_of_writers() -> int:
    """Return the id of the role whose users may change things; create it if there is none."""
    from mlflow.server.auth import store

    for role in store.list_roles([WORKSPACE]):
        if role.name == "writers":
            return int(role.id)
    role = store.create_role("writers", WORKSPACE, "may make and change experiments, runs, models")
    for resource, permission in GRANTS:
        store.add_role_permission(role.id, resource, "*", permission)
    return int(role.id)


def password_in(folder: Path) -> str:
    """Return a service's password, which is created on the first start and kept."""
    path = folder / "password"
    if not path.exists():
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def serve() -> None:
    """Become the server; MLflow's own variables set its host, port and workers."""
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--expose-prometheus", os.environ.pop("METRICS"), "--serve-artifacts"]
    command += ["--uvicorn-opts", UVICORN]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
