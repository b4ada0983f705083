"""Worker process that loads a packaged model and answers requests.

Started by `hpoe.registration.packages` as `python -m hpoe.registration.worker`. A package brings
its own recognition code. This module must import nothing that imports the installed copy of that
code, which would then be used in its place.
"""

import json
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CODE = "hpoe_recognition"


def main(descriptor: str, folder: str, config: str) -> None:
    """Load a package, then answer requests until the parent closes the connection or is gone.

    Args:
        descriptor: file descriptor of the connection to the parent.
        folder: holds the MLflow model.
        config: overrides of the model's configuration, in JSON.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches children: the parent decides
    with Connection(int(descriptor)) as parent, suppress(EOFError, OSError):
        loaded, model = attempt(load, Path(folder).resolve(), json.loads(config))
        parent.send((loaded, None if loaded else model))
        while loaded:
            method, argument = parent.recv()
            parent.send(attempt(getattr(model, method), argument))


def load(folder: Path, config: dict[str, Any]) -> Any:  # noqa: ANN401 - the package's own class
    """Load a packaged model, let it answer its example, and return its Python object.

    Raises:
        ImportError: the recognition code is not the package's own.
    """
    from mlflow import pyfunc
    from threadpoolctl import threadpool_limits

    model = pyfunc.load_model(str(folder), model_config=config)
    code = sys.modules.get(CODE)
    if code is not None and not Path(str(code.__file__)).resolve().is_relative_to(folder):
        raise ImportError(f"the package has no {CODE} of its own")
    threadpool_limits(1)  # one thread per worker; other workers use the other cores
    if model.input_example is not None:
        model.predict(model.input_example)
    return model.unwrap_python_model()


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:  # noqa: ANN401
    """Call a function.

    Returns:
        True and its result; or False, its error's first line and its traceback.
    """
    try:
        return True, function(*arguments)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0][:200]
        return False, (f"{type(error).__name__}: {first_line}", traceback.format_exc())


if __name__ == "__main__":
    main(*sys.argv[1:])
