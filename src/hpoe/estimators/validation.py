"""Checks of the samples and labels that are given to the estimators.

Shapes: N samples, V features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from hpoe.method.units import Kind

Floats = NDArray[np.float32]


def labelled_samples(
    estimator: BaseEstimator, X: object, y: object, kind: Kind
) -> tuple[Floats, NDArray[Any], NDArray[np.intp]]:
    """Check samples and labels for a classifier's `fit`.

    Returns:
        Samples [N, V], the sorted labels of the classes [C], and the samples' positions in them.

    Raises:
        ValueError: they cannot be used, or there are fewer than two classes.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    samples, labels = validated(estimator, X, kind, reset=True, y=y)
    check_classification_targets(labels)
    classes, positions = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y has one class, {labels[0]!r}: a classifier needs two or more")
    return samples, classes, positions


def validated(
    estimator: BaseEstimator, X: object, kind: Kind, *, reset: bool, y: object = None
) -> Any:  # noqa: ANN401
    """Check samples [N, V], dense or sparse, as scikit-learn's own estimators do.

    Returns:
        A dense float32 array, C-contiguous and writable, as PyTorch wants it; with `y`, a pair of
        it and y.

    Raises:
        ValueError: they are no finite numbers, have the wrong number of features, or are not
            probabilities where visible units are Bernoulli.
    """
    labels = {} if y is None else {"y": y}
    checked = validate_data(
        estimator, X, accept_sparse="csr", dtype=np.float32, order="C", reset=reset, **labels
    )
    array, *rest = checked if isinstance(checked, tuple) else (checked,)
    dense = array.toarray() if issparse(array) else array
    if kind == "bernoulli":
        dense = probabilities(dense, type(estimator).__name__)
    dense = np.require(dense, requirements="W")
    return (dense, *rest) if rest else dense


def probabilities(X: Floats, name: str) -> Floats:
    """Return samples [N, V] as they are if all values are in [0, 1].

    Raises:
        ValueError: one is not; `name` is the estimator's.
    """
    low, high = X.min(initial=0), X.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} takes values in [0, 1] as probabilities of its visible units, but X has "
            f"values from {low:g} to {high:g}: scale them, for example with "
            "MinMaxScaler(clip=True), or standardise them and set visible_units='gaussian'"
        )
    return X


class SparseInputMixin:
    """Tells scikit-learn that an estimator takes sparse matrices; they become dense."""

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        return tags
