"""Predictions, error rates and tests of them, from tables of goodness.

A table of goodness has one row per image: set (fit, validation or test), index (its place in
its source), label, and one column per score. The classes are the labels that occur, in natural
order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.labels import in_order, label_of
from hpoe.method.classifier import Fit, Labels, Scores

IMAGE_COLUMNS = ["set", "index", "label"]
CONFIDENCE = 0.95
PROBABILITY = "probability/"
"""How the names of the columns of probabilities begin."""
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
    layer = table.columns.str.extract(r"/layer(\d+)$", expand=False).astype(float)
    kept: pd.DataFrame = table.loc[:, ~(layer > layers)]
    return kept


def labels_of(table: pd.DataFrame) -> list[str]:
    """Return the class labels of a table, in natural order."""
    return in_order(table["label"].unique())


def scores_and_positions(table: pd.DataFrame, name: str) -> tuple[Scores, Labels]:
    """Return one set's scores [N, M], and the positions of its labels among the classes, [N]."""
    part = table[table["set"] == name]
    positions = pd.Categorical(part["label"], labels_of(table)).codes.astype(np.int64)
    return part.drop(columns=IMAGE_COLUMNS).to_numpy(np.float64), positions


def predict(table: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """Predict validation and test images; one row per image with its label and probabilities.

    Validation images are predicted by the net that was not fitted on them, test images by the
    final one.
    """
    labels = labels_of(table)
    parts = []
    for name, net in (("validation", fit.validation_net), ("test", fit.net)):
        log_p = net.log_probabilities(scores_and_positions(table, name)[0])
        images = table.loc[table["set"] == name, IMAGE_COLUMNS].reset_index(drop=True)
        images["prediction"] = np.array(labels)[log_p.argmax(axis=1)]
        columns = [f"{PROBABILITY}{label}" for label in labels]
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


def errors_by_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per class: test images, errors, error rate."""
    test = predictions[predictions["set"] == "test"]
    wrong = (test["prediction"] != test["label"]).groupby(test["label"])
    table = pd.DataFrame(
        {"images": wrong.size(), "errors": wrong.sum(), "error_rate": wrong.mean()}
    )
    return table.loc[labels_of(test)].rename_axis("label").reset_index()


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy on test images by their highest probability, one row per bin.

    Columns low, high (the bin's ends), images, confidence (their mean highest probability),
    accuracy, and the ends of its 95 % interval, accuracy_low and accuracy_high; fractions. Bins
    without images are left out.
    """
    test = predictions[predictions["set"] == "test"]
    confidence = test.filter(regex=f"^{PROBABILITY}").max(axis=1)
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


def confusion(predictions: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.int64]:
    """Count test images by label (rows) and prediction (columns)."""
    test = predictions[predictions["set"] == "test"]
    counts = pd.crosstab(test["label"], test["prediction"])
    every = list(labels)
    return counts.reindex(index=every, columns=every, fill_value=0).to_numpy(np.int64)


def mean_curves(curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Average one learning curve over classes: one row per epoch, one column per layer."""
    table = curves.pivot_table(index="epoch", columns="layer", values=column)
    return table.rename(columns=lambda layer: f"layer{layer}").reset_index()


def read_curves(folder: Path, layers: Sequence[int]) -> pd.DataFrame:
    """Read the learning curves of a network's models: layer, label, epoch and the quantities."""
    frames = {
        (layer, label_of(path.stem)): pd.read_csv(path)
        for layer in layers
        for path in sorted((folder / f"layer{layer}").glob("*.csv"))
    }
    return pd.concat(frames, names=["layer", "label"]).reset_index(["layer", "label"])


def _wilson(count: int, of: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # takes most of a second to import

    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
