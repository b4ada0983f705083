"""Parameters of the estimators: what they may be, and the recipe of training that they make."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from hpoe.method.recipe import Recipe
from hpoe.method.units import UNITS


class Rule(NamedTuple):
    """What a parameter may be."""

    allows: Callable[[Any], bool]
    words: str


def _number(value: object, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


COUNT = Rule(lambda value: _number(value, Integral) and value >= 1, "an integer of 1 or more")
ANY_COUNT = Rule(lambda value: _number(value, Integral) and value >= 0, "an integer of 0 or more")
SHARE = Rule(lambda value: _number(value) and 0 <= value < 1, "a number from 0 up to 1")
RULES = {
    "n_components": COUNT,
    "batch_size": COUNT,
    "n_gibbs_steps": COUNT,
    "n_iter": ANY_COUNT,
    "min_updates": ANY_COUNT,
    "hidden_units": Rule(
        lambda value: len(value) > 0 and all(map(COUNT.allows, value)),
        "one integer of 1 or more for each layer",
    ),
    "learning_rate": Rule(lambda value: _number(value) and value > 0, "a number above 0"),
    "learning_rate_schedule": Rule(
        lambda value: value in ("constant", "constant_then_linear"),
        "'constant' or 'constant_then_linear'",
    ),
    "momentum": SHARE,
    "weight_decay": SHARE,
    "refused_fraction": SHARE,
    "supervised_fraction": Rule(
        lambda value: SHARE.allows(value) and value > 0, "a number between 0 and 1"
    ),
    "visible_units": Rule(lambda value: value in UNITS, "'bernoulli' or 'gaussian'"),
    "max_free_energy_gap": Rule(
        lambda value: value is None or (_number(value) and value >= 0), "None or a number from 0"
    ),
}
"""By the parameter's name, which means the same in all estimators."""


def check_parameters(estimator: BaseEstimator) -> None:
    """Check an estimator's parameters when it is fitted, as scikit-learn's estimators do.

    Raises:
        ValueError: one is not allowed.
    """
    for name, value in estimator.get_params(deep=False).items():
        rule = RULES.get(name)
        if rule is not None and not rule.allows(value):
            kind = type(estimator).__name__
            raise ValueError(f"{name} of {kind} is {value!r}: give {rule.words}")


def recipe_of(estimator: Any, units: Sequence[int], epochs: int) -> Recipe:  # noqa: ANN401
    """Make the recipe of an estimator's parameters, for samples as they are given."""
    return Recipe(
        images="as_given",
        units=tuple(units),
        epochs=epochs,
        minibatch_size=estimator.batch_size,
        learning_rate=estimator.learning_rate,
        learning_rate_schedule=estimator.learning_rate_schedule,
        weight_decay=estimator.weight_decay,
        momentum=estimator.momentum,
        momentum_start=50,
        initial_standard_deviation=0.01,
    )
