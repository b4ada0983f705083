"""Numbers of the report, computed from the kept results. Errors are in per cent."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpoe.evaluation.fits import averaged
from hpoe.evaluation.measures import mcnemar
from hpoe.method.recipe import Recipe
from hpoe.paper.results import (
    AVERAGED,
    CHOICES,
    DIGESTS,
    LADDER,
    METRICS,
    NETWORKS,
    SECONDS,
    SHIFTS,
    Kept,
)

AVERAGE = averaged(AVERAGED)
PAPER = {"h25": 3.8, "h100": 2.3, "h200": 2.2, "h400": 2.0, "h500": 1.7}
"""Test errors in per cent, as commonly quoted from the NIPS 2000 version."""
PARAMETERS = 8_942_840
"""Of the 30 RBMs of 500 units, as section 5 counts."""
PAPER_HOURS = 14 * 24
"""The paper: under two weeks, in Matlab on a 500 MHz Pentium II."""
SHIFT_NAMES = {
    (0, 0): "as given",
    (-1, 0): "up",
    (1, 0): "down",
    (0, -1): "to the left",
    (0, 1): "to the right",
}
"""Versions of an image, by pixels down and to the right."""


def percentages(
    seeds: Sequence[Kept],
    name: str,
    net: str = "logistic_regression",
    rate: str = "test_error_rate",
) -> NDArray[np.float64]:
    """Errors of a network's classifier, one per seed."""
    return 100 * np.array([each[METRICS][name][net][rate] for each in seeds])


def shift_percentages(
    seeds: Sequence[Kept], name: str, choice: str, *, pair: bool = False
) -> NDArray[np.float64]:
    """Test errors when the models choose among shifts, of all digits or of 7s and 9s alone."""
    choices = [each[SHIFTS][name] for each in seeds]
    rates = [each["seven_or_nine"] if pair else each for each in choices]
    return 100 * np.array([each[choice]["test_error_rate"] for each in rates])


def temperatures(seeds: Sequence[Kept], name: str) -> list[float]:
    """Temperatures of the soft choice, ascending."""
    return sorted(each[SHIFTS][name]["soft"]["temperature"] for each in seeds)


def choice_shares(seeds: Sequence[Kept], models: str) -> dict[str, list[float]]:
    """Shares of images whose "own_models" or "other_models" prefer each version, per cent."""
    tables = [each[CHOICES].set_index(["rows_down", "columns_right"])[models] for each in seeds]
    return {
        name: [100 * float(table.loc[shift]) for table in tables]
        for shift, name in SHIFT_NAMES.items()
    }


def largest_p(kept: Sequence[Kept], file: str, before: str, after: str) -> float:
    """Largest p over the seeds of McNemar's test of two columns of predictions of test images."""
    tests = (each[file][each[file]["set"] == "test"] for each in kept)
    return max(
        mcnemar(test[before] != test["label"], test[after] != test["label"])[2] for test in tests
    )


def variants_by_seed(ladders: Sequence[Kept]) -> list[list[dict[str, Any]]]:
    """The ablation's variants: for each, its name, step, error rates and so on for every seed."""
    return [
        list(variants)
        for variants in zip(*(each[LADDER]["rungs"] for each in ladders), strict=True)
    ]


def best_variants(ladders: Sequence[Kept]) -> list[dict[str, Any]]:
    """The variant that validation chooses, for every seed."""
    return [
        next(rung for rung in each[LADDER]["rungs"] if rung["name"] == each[LADDER]["chosen"])
        for each in ladders
    ]


def variant_percentages(variants: Sequence[dict[str, Any]], part: str) -> list[float]:
    """Errors of a variant on validation or test images, one per seed."""
    return [100 * each[f"{part}_error_rate"] for each in variants]


def label(name: str) -> str:
    """Return what a network is called in tables."""
    return "averaged" if name == AVERAGE else f"`{name}`"


def chosen_network(seed: Kept) -> str:
    """The network with the fewest validation errors."""
    return min(
        NETWORKS, key=lambda name: percentages([seed], name, rate="validation_error_rate")[0]
    )


def parameters(recipe: Recipe, pixels: int, n_classes: int) -> int:
    """Count parameters as the paper does: biases that two RBMs share count once.

    The weights of three layers, and one bias per pixel and hidden unit, for every digit.
    """
    sizes = (pixels, *recipe.units)
    weights = sum(below * above for below, above in zip(sizes, recipe.units, strict=False))
    return n_classes * (weights + sum(sizes))


def layer_minutes(seeds: Sequence[Kept], name: str, layer: int) -> list[float]:
    """Minutes that one core takes to train a layer of all digits."""
    return [each[SECONDS][name][layer - 1] / 60 for each in seeds]


def hours(seeds: Sequence[Kept], name: str) -> list[float]:
    """Hours that one core takes to train a network."""
    return [sum(each[SECONDS][name]) / 3600 for each in seeds]


def unchanged(before: Kept, after: Kept) -> int:
    """Count the RBMs of a network whose files are the same in another, byte for byte."""
    return len(before[DIGESTS].items() & after[DIGESTS].items())


def spread(values: Iterable[float]) -> str:
    """Format the mean of some values, and their range if they differ."""
    found = list(values)
    return interval(float(np.mean(found)), min(found), max(found))


def interval(mean: float, least: float, most: float) -> str:
    """Format a mean, and its range if there is one."""
    return f"{mean:.2f}" if least == most else f"{mean:.2f} ({least:.2f} to {most:.2f})"
