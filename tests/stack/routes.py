"""Every route of MLflow's server, as the server itself lists them."""

import json
import re
import subprocess
import sys
from functools import cache

LIST = """
import json
from mlflow.server import app, auth
from mlflow.server.fastapi_app import create_fastapi_app
for function, method, *paths in auth._RBAC_ROUTES:
    for path in paths:
        app.add_url_rule(path, path, lambda: "", methods=[method])
found = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods}
for route in create_fastapi_app(app).routes:
    found |= {(route.path, method) for method in getattr(route, "methods", None) or ()}
known = {path for path, _ in found}
found |= {
    (path, method)
    for name, path in vars(auth).items()
    if name.isupper() and isinstance(path, str) and path.startswith("/") and path not in known
    for method in ("GET", "POST", "PATCH", "DELETE")
}
print(json.dumps(sorted(found)))
"""


@cache
def routes() -> tuple[tuple[str, str], ...]:
    """Paths, their parameters filled in, with the methods that they take."""
    done = subprocess.run(
        [sys.executable, "-c", LIST], capture_output=True, text=True, check=True, timeout=120
    )
    listed = json.loads(done.stdout.splitlines()[-1])
    found = {
        (re.sub(r"<[^>]+>|\{[^}]+\}", "1", path), method)
        for path, method in listed
        if method not in ("HEAD", "OPTIONS")
    }
    return tuple(sorted(found))
