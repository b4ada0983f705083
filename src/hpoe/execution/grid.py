"""The combinations of a sweep: DVC's syntax for params, and checked params for each combination.

The functions of `dvc.utils.hydra` are those that `dvc exp run` calls; DVC has no public ones.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from hpoe.errors import ParamsError
from hpoe.params import Params, load_params
from hpoe.tracking.mlflow_errors import first_line
from hpoe.tracking.records import execution_key

ONE_NETWORK = ("train", "classifier.networks")
"""Params that are set to a network to train and classify with it alone."""


@dataclass(frozen=True, eq=False)
class Combination:
    """One pipeline of a sweep."""

    values: Mapping[str, str]
    """The params in which it differs from the others."""
    changes: tuple[str, ...]
    """Changes to params.yaml, in DVC's syntax."""
    params: Params

    @property
    def experiment(self) -> str:
        """The name of its DVC experiment, unique to its params and code."""
        return f"sweep-{execution_key(self.params)[:12]}"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())


def combinations(networks: Sequence[str], overrides: Sequence[str]) -> list[Combination]:
    """Combine every network with all combinations of the overrides' values, in DVC's syntax.

    Raises:
        ParamsError: an override is malformed, or a value is not allowed.
    """
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import get_hydra_sweeps
    from hydra.errors import HydraException

    load_params()
    found: dict[str, Combination] = {}
    try:
        grid = [point[""] for point in get_hydra_sweeps({"": list(overrides)})]
        for network, point in product(networks or (None,), grid):
            alone = [] if network is None else [f"{key}=[{network}]" for key in ONE_NETWORK]
            values = {} if network is None else {"network": network}
            values |= dict(change.split("=", 1) for change in point)
            params = _apply([*alone, *point])
            combination = Combination(values, (*alone, *point), params)
            found.setdefault(params.model_dump_json(), combination)
    except (DvcException, HydraException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        reason = first_line(cause).partition(" expecting ")[0].removesuffix(".")
        raise ParamsError(
            f"{' '.join([*networks, *overrides])} cannot be set ({reason}): give PARAM=VALUE,VALUE "
            "with a param that params.yaml has, as seed=1,2,3"
        ) from None
    return list(found.values())


def _apply(changes: Sequence[str]) -> Params:
    """Load params.yaml with changes.

    Raises:
        ParamsError: the value of a param is not allowed.
    """
    from dvc.utils.hydra import apply_overrides

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "params.yaml"
        shutil.copy("params.yaml", path)
        apply_overrides(path, list(changes))
        try:
            return load_params(path)
        except ParamsError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise ParamsError(f"params.yaml with {' '.join(changes)}: {reason}") from None
