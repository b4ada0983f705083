"""Checks of what is given to the estimators: arrays, and the values that units can take.

Shapes: N samples, V features.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from hpoe.method.units import Kind

Floats = NDArray[np.float32]
POSITIVE = Interval(Integral, 1, None, closed="left")
COMMON: dict[str, list[Any]] = {
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "learning_rate_schedule": [StrOptions({"constant", "constant_then_linear"})],
    "batch_size": [POSITIVE],
    "n_iter": [Interval(Integral, 0, None, closed="left")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, 1, closed="both")],
    "visible_units": [StrOptions({"bernoulli", "gaussian"})],
    "device": [str],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}
"""What parameters that all estimators have may be."""


def validated(estimator: object, X: object, kind: Kind, *, reset: bool, **options: Any) -> Any:  # noqa: ANN401
    """Check samples [N, V], dense or sparse, as scikit-learn's own estimators do.

    Returns:
        A dense float32 array, C-contiguous; with `y` among the options, a pair of it and y.

    Raises:
        ValueError: they are no finite numbers, have the wrong number of features, or are not
            probabilities where visible units are Bernoulli.
    """
    checked = validate_data(
        estimator, X, accept_sparse="csr", dtype=np.float32, order="C", reset=reset, **options
    )
    array, *rest = checked if isinstance(checked, tuple) else (checked,)
    dense = array.toarray() if issparse(array) else array
    if kind == "bernoulli":
        _check_probabilities(dense, type(estimator).__name__)
    return (dense, *rest) if rest else dense


def _check_probabilities(X: Floats, name: str) -> None:
    low, high = X.min(initial=0), X.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} takes values in [0, 1] as probabilities of its visible units, but X has "
            f"values from {low:g} to {high:g}: scale them, for example with "
            "MinMaxScaler(clip=True), or standardise them and set visible_units='gaussian'"
        )
