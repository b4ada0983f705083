"""Predictions, error rates and tests of them, from tables of goodness.

A table of goodness has one row per image: set (fit, validation or test), index (its place in
MNIST's file), label, and one column per score. The classes are the labels that occur, ascending.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.method.classifier import Fit, Labels, Scores

IMAGE_COLUMNS = ["set", "index", "label"]
CONFIDENCE = 0.95
BINS = 15
"""Bins of probability in which calibration is measured."""


def read_goodness(folder: Path, networks: Sequence[str]) -> pd.DataFrame:
    """Read a goodness table; for several networks, average the scores of corresponding layers."""
    tables = [pd.read_parquet(folder / f"{network}.parquet") for network in networks]
    names = tables[0].columns.drop(IMAGE_COLUMNS)
    mean = np.mean([table[names].to_numpy() for table in tables], axis=0)
    return tables[0][IMAGE_COLUMNS].join(pd.DataFrame(mean, columns=names))


def lowest_layers(table: pd.DataFrame, layers: int) -> pd.DataFrame:
    """Keep the scores of the lowest `layers` layers of a goodness table."""
    layer = table.columns.str.extract(r"_layer(\d+)$", expand=False).astype(float)
    kept: pd.DataFrame = table.loc[:, ~(layer > layers)]
    return kept


def labels_in(table: pd.DataFrame) -> list[int]:
    """Return the class labels of a table, ascending."""
    return sorted(int(label) for label in table["label"].unique())


def scores_and_positions(table: pd.DataFrame, name: str) -> tuple[Scores, Labels]:
    """Return one set's scores [N, M], and the positions of its labels among the classes, [N]."""
    part = table[table["set"] == name]
    positions = np.searchsorted(labels_in(table), part["label"])
    return part.drop(columns=IMAGE_COLUMNS).to_numpy(np.float64), positions


def predict(table: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """Predict validation and test images; one row per image with its label and probabilities.

    Validation images are predicted by the net that was not fitted on them, test images by the
    final one.
    """
    labels = labels_in(table)
    parts = []
    for name, net in (("validation", fit.validation_net), ("test", fit.net)):
        log_p = net.log_probabilities(scores_and_positions(table, name)[0])
        images = table.loc[table["set"] == name, IMAGE_COLUMNS].reset_index(drop=True)
        images["prediction"] = np.array(labels)[log_p.argmax(axis=1)]
        columns = [f"probability{label}" for label in labels]
        parts.append(images.join(pd.DataFrame(np.exp(log_p), columns=columns)))
    return pd.concat(parts, ignore_index=True)


def error_rates(predictions: pd.DataFrame) -> dict[str, float]:
    """Return error rates, fractions; for test with its 95 % interval by Wilson's score (1927)."""
    wrong = predictions["prediction"] != predictions["label"]
    validation, test = (wrong[predictions["set"] == name] for name in ("validation", "test"))
    low, high = _wilson(int(test.sum()), len(test))
    return {
        "validation_error_rate": float(validation.mean()),
        "test_error_rate": float(test.mean()),
        "test_error_rate_low": low,
        "test_error_rate_high": high,
    }


def mcnemar(
    wrong: "pd.Series[bool]",
    other_wrong: "pd.Series[bool]",
    alternative: Literal["two-sided", "greater"] = "two-sided",
) -> tuple[int, int, float]:
    """Compare two classifiers on the same images by McNemar's exact test.

    Of the images that exactly one of two equally good classifiers gets wrong, each gets half.

    Returns:
        How many images only the first gets wrong, how many only the other does, and p: the
        probability of numbers as unequal, or of as many or more for the first ("greater").
    """
    from scipy.stats import binomtest

    first, second = int((wrong & ~other_wrong).sum()), int((other_wrong & ~wrong).sum())
    if first + second == 0:
        return 0, 0, 1.0
    return first, second, float(binomtest(first, first + second, alternative=alternative).pvalue)


def errors_by_digit(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per digit: test images, errors, error rate."""
    test = predictions[predictions["set"] == "test"]
    wrong = (test["prediction"] != test["label"]).groupby(test["label"])
    table = pd.DataFrame(
        {"images": wrong.size(), "errors": wrong.sum(), "error_rate": wrong.mean()}
    )
    return table.rename_axis("digit").reset_index()


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy on test images by their highest probability, one row per bin.

    Columns low, high (the bin's ends), images, confidence (their mean highest probability),
    accuracy, and the ends of its 95 % interval, accuracy_low and accuracy_high; fractions. Bins
    without images are left out.
    """
    test = predictions[predictions["set"] == "test"]
    confidence = test.filter(regex=r"^probability\d").max(axis=1)
    edges = np.linspace(0, 1, BINS + 1)
    place = np.minimum(np.digitize(confidence, edges) - 1, BINS - 1)
    right = (test["prediction"] == test["label"]).astype(float)
    frame = pd.DataFrame({"confidence": confidence, "accuracy": right}).groupby(place)
    table = frame.mean().assign(images=frame.size(), low=lambda t: edges[t.index])
    table["high"] = table["low"] + 1 / BINS
    right_ones = (table["accuracy"] * table["images"]).round().astype(int)
    ends = [_wilson(count, of) for count, of in zip(right_ones, table["images"], strict=True)]
    table[["accuracy_low", "accuracy_high"]] = ends
    columns = ["low", "high", "images", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return table[columns].reset_index(drop=True)


def calibration_error(table: pd.DataFrame) -> float:
    """Return the expected calibration error: mean |accuracy - confidence| over images.

    Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities".

    Args:
        table: as `calibration` returns it.
    """
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["images"]).sum() / table["images"].sum())


def confusion(predictions: pd.DataFrame, labels: Sequence[int]) -> NDArray[np.int64]:
    """Count test images by label (rows) and prediction (columns)."""
    test = predictions[predictions["set"] == "test"]
    counts = pd.crosstab(test["label"], test["prediction"])
    every = list(labels)
    return counts.reindex(index=every, columns=every, fill_value=0).to_numpy(np.int64)


def mean_curves(curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Average one learning curve over digits: one row per epoch, one column per layer."""
    table = curves.pivot_table(index="epoch", columns="layer", values=column)
    return table.rename(columns=lambda layer: f"layer{layer}").reset_index()


def read_curves(folder: Path, layers: Sequence[int]) -> pd.DataFrame:
    """Read the learning curves of a network's models: layer, digit, epoch and the quantities."""
    frames = {
        (layer, int(path.stem)): pd.read_csv(path)
        for layer in layers
        for path in sorted((folder / f"layer{layer}").glob("*.csv"))
    }
    return pd.concat(frames, names=["layer", "digit"]).reset_index(["layer", "digit"])


def _wilson(count: int, of: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # takes most of a second to import

    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
