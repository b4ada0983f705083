"""Errors and confusions, as pandas frames from scores and labels.

A table of goodness has a row an image: set (fit, validation or test), index (its place in MNIST's
file), label, and a column a score. Classes are the labels that occur, ascending.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.method.classifier import Fit, Labels, Scores
from hpoe_recognition.logistic import LogisticNet

IMAGE_COLUMNS = ["set", "index", "label"]
CONFIDENCE = 0.95
BINS = 15
"""Of probability, in which calibration is measured, as is usual."""


def read_goodness(folder: Path, networks: Sequence[str]) -> pd.DataFrame:
    """The goodness table; of several networks, the scores of corresponding layers are averaged."""
    tables = [pd.read_parquet(folder / f"{network}.parquet") for network in networks]
    names = tables[0].columns.drop(IMAGE_COLUMNS)
    mean = np.mean([table[names].to_numpy() for table in tables], axis=0)
    return tables[0][IMAGE_COLUMNS].join(pd.DataFrame(mean, columns=names))


def lowest_layers(table: pd.DataFrame, layers: int) -> pd.DataFrame:
    """The goodness table without the scores of layers above the lowest `layers`."""
    layer = table.columns.str.extract(r"_layer(\d+)$", expand=False).astype(float)
    kept: pd.DataFrame = table.loc[:, ~(layer > layers)]
    return kept


def digits_of(table: pd.DataFrame) -> list[int]:
    """The classes of a table, ascending."""
    return sorted(int(label) for label in table["label"].unique())


def scores_and_labels(table: pd.DataFrame, name: str) -> tuple[Scores, Labels]:
    """One set's scores [N, M], and its labels as class positions [N]."""
    part = table[table["set"] == name]
    positions = np.searchsorted(digits_of(table), part["label"])
    return part.drop(columns=IMAGE_COLUMNS).to_numpy(np.float64), positions


def predict(table: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """A row each validation and test image: its place, label, prediction and probabilities.

    Validation images are predicted by the net that never saw them, test images by the final one.
    """
    return pd.concat(
        [
            _predict_set(table, "validation", fit.validation_net),
            _predict_set(table, "test", fit.net),
        ],
        ignore_index=True,
    )


def error_rate(predictions: pd.DataFrame, name: str) -> float:
    """The fraction of a set's images whose prediction is not their label."""
    part = predictions[predictions["set"] == name]
    return float((part["prediction"] != part["label"]).mean())


def error_interval(predictions: pd.DataFrame, name: str) -> tuple[float, float]:
    """The 95 % interval of a set's error rate by Wilson's score (Wilson, 1927)."""
    part = predictions[predictions["set"] == name]
    return _wilson(int((part["prediction"] != part["label"]).sum()), len(part))


def error_rates(predictions: pd.DataFrame) -> dict[str, float]:
    """The rates that metrics report, fractions: validation, test, and the test's interval."""
    low, high = error_interval(predictions, "test")
    return {
        "validation_error_rate": error_rate(predictions, "validation"),
        "test_error_rate": error_rate(predictions, "test"),
        "test_error_rate_low": low,
        "test_error_rate_high": high,
    }


def errors_by_digit(predictions: pd.DataFrame) -> pd.DataFrame:
    """A row a digit: test images, errors, error rate."""
    test = predictions[predictions["set"] == "test"]
    wrong = (test["prediction"] != test["label"]).groupby(test["label"])
    table = pd.DataFrame(
        {"images": wrong.size(), "errors": wrong.sum(), "error_rate": wrong.mean()}
    )
    return table.rename_axis("digit").reset_index()


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """How often the test images that the net is so sure of are right: a row a bin of probability.

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
    """Expected calibration error of a `calibration` table: mean |accuracy - confidence| an image.

    Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities".
    """
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["images"]).sum() / table["images"].sum())


def confusion(predictions: pd.DataFrame, digits: Sequence[int]) -> NDArray[np.int64]:
    """Test images by label (rows) and prediction (columns)."""
    test = predictions[predictions["set"] == "test"]
    counts = pd.crosstab(test["label"], test["prediction"])
    every = list(digits)
    return counts.reindex(index=every, columns=every, fill_value=0).to_numpy(np.int64)


def mean_curves(curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row an epoch, a column a layer: one of the learning curves, averaged over digits."""
    table = curves.pivot_table(index="epoch", columns="layer", values=column)
    return table.rename(columns=lambda layer: f"layer{layer}").reset_index()


def read_curves(folder: Path, layers: Sequence[int]) -> pd.DataFrame:
    """The learning curves of a network's models: columns layer, digit, epoch and the quantities."""
    frames: Mapping[tuple[int, int], pd.DataFrame] = {
        (layer, int(path.stem)): pd.read_csv(path)
        for layer in layers
        for path in sorted((folder / f"layer{layer}").glob("*.csv"))
    }
    return pd.concat(frames, names=["layer", "digit"]).reset_index(["layer", "digit"])


def _wilson(count: int, of: int) -> tuple[float, float]:
    from scipy.stats import binomtest  # most of a second; who only predicts goes without

    interval = binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _predict_set(table: pd.DataFrame, name: str, net: LogisticNet) -> pd.DataFrame:
    digits = digits_of(table)
    scores, _ = scores_and_labels(table, name)
    log_p = net.log_probabilities(scores)
    images = table.loc[table["set"] == name, IMAGE_COLUMNS].reset_index(drop=True)
    images["prediction"] = np.array(digits)[log_p.argmax(axis=1)]
    columns = [f"probability{digit}" for digit in digits]
    return images.join(pd.DataFrame(np.exp(log_p), columns=columns))
