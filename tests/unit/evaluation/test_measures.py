"""Evaluation: rates, intervals and tables against counting by hand."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpoe.evaluation.measures import (
    calibration,
    calibration_error,
    confusion,
    error_rates,
    errors_by_class,
    mean_curves,
    predict,
    read_curves,
    read_goodness,
)
from hpoe.method.classifier import Fit
from hpoe_recognition.logistic import LogisticNet


def predictions_of(name: str, labels: Iterable[object], found: Iterable[object]) -> pd.DataFrame:
    return pd.DataFrame(
        {"set": name, "label": [*map(str, labels)], "prediction": [*map(str, found)]}
    )


def some_predictions(seed: int = 0) -> pd.DataFrame:
    """Validation and test rows of three digits, about a third of them wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([1, 4, 8], 300)
    guesses = np.where(rng.random(300) < 0.5, labels, rng.choice([1, 4, 8], 300))
    sets = np.where(np.arange(300) < 120, "validation", "test")
    return predictions_of("", labels, guesses).assign(set=sets)


def rows_of_test(predictions: pd.DataFrame) -> list[tuple[str, str]]:
    """Label and prediction of every test image."""
    columns = predictions[["set", "label", "prediction"]].to_numpy().tolist()
    return [(label, guess) for name, label, guess in columns if name == "test"]


def some_goodness(labels: Sequence[str] = ("3", "7", "10"), scores: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    count = 12 * len(labels)
    frame = pd.DataFrame(
        {
            "set": np.repeat(["fit", "validation", "test"], count // 3),
            "index": rng.permutation(count),
            "label": np.tile(labels, 12),
        }
    )
    columns = [f"score{number}" for number in range(scores)]
    return frame.join(pd.DataFrame(rng.normal(size=(count, scores)), columns=columns))


# Rates


@given(st.integers(1, 10_000), st.data())
def test_the_interval_is_wilsons_closed_form(images: int, data: st.DataObject) -> None:
    wrong = data.draw(st.integers(0, images))
    labels = [1] * images
    found = [0] * wrong + [1] * (images - wrong)
    rates = error_rates(predictions_of("test", labels, found))
    low, high = rates["test_error_rate_low"], rates["test_error_rate_high"]
    z, p = 1.959963984540054, wrong / images  # the normal's 97.5 % point
    centre = (p + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * np.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    assert low == pytest.approx(max(0, centre - half), rel=1e-9, abs=1e-12)
    assert high == pytest.approx(min(1, centre + half), rel=1e-9, abs=1e-12)


def test_rates_are_fractions_of_each_set_by_itself() -> None:
    table = pd.concat(
        [
            predictions_of("validation", [1, 1, 2, 2], [1, 2, 2, 2]),
            predictions_of("test", [1, 2, 2, 1, 2], [2, 1, 2, 1, 1]),
        ]
    )
    rates = error_rates(table)
    assert (rates["validation_error_rate"], rates["test_error_rate"]) == (1 / 4, 3 / 5)


def test_confusions_and_errors_by_class_are_counts_of_test_images() -> None:
    table = some_predictions()
    labels, rows = ("0", "1", "4", "8"), rows_of_test(table)  # 0 is never shown and never predicted
    found = confusion(table, labels)
    assert found.tolist() == [[rows.count((a, b)) for b in labels] for a in labels]
    assert found.sum() == len(rows) == 180
    errors = errors_by_class(table)
    assert list(errors.columns) == ["label", "images", "errors", "error_rate"]
    assert errors["label"].tolist() == ["1", "4", "8"]
    assert errors["images"].tolist() == found.sum(axis=1)[1:].tolist()
    assert errors["errors"].tolist() == (found.sum(axis=1) - found.diagonal())[1:].tolist()
    assert errors["error_rate"].tolist() == (errors["errors"] / errors["images"]).tolist()


@given(st.integers(0, 1000))
def test_calibration_counts_every_test_image_in_the_bin_of_its_highest_probability(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.3] * 3, 60)
    p[0] = [1.0, 0.0, 0.0]  # the last bin's upper end belongs to it
    table = predictions_of("test", rng.integers(3, size=60).tolist(), p.argmax(axis=1).tolist())
    table = table.join(pd.DataFrame(p, columns=[f"probability/{digit}" for digit in range(3)]))
    found = calibration(pd.concat([table, table.assign(set="validation", label="7")]))
    right = (table["label"] == table["prediction"]).to_numpy()
    sure, gaps = p.max(axis=1), []
    for low, high, images, confidence, accuracy, least, most in found.to_numpy().tolist():
        inside = (sure >= low) & ((sure < high) | np.isclose(high, 1))
        assert images == inside.sum() > 0
        assert accuracy == pytest.approx(right[inside].mean())
        assert confidence == pytest.approx(sure[inside].mean())
        assert least <= accuracy + 1e-12
        assert accuracy <= most + 1e-12
        gaps.append(abs(accuracy - confidence) * images)
    assert found["images"].sum() == 60
    assert calibration_error(found) == pytest.approx(sum(gaps) / 60)


# Predictions


def opposite_fit() -> Fit:
    """Nets that never agree: one is sure of the first class, the other of the last."""
    first = LogisticNet(np.zeros((4, 3)), np.array([9.0, 0.0, 0.0]))
    last = LogisticNet(np.zeros((4, 3)), np.array([0.0, 0.0, 9.0]))
    return Fit(net=first, validation_net=last, chosen=1.0, validation_loss=(0.0, 0.0))


def test_validation_images_are_predicted_by_the_net_that_never_saw_them() -> None:
    found = predict(some_goodness(), opposite_fit())
    assert set(found["set"]) == {"validation", "test"}
    assert (found.loc[found["set"] == "validation", "prediction"] == "10").all()
    assert (found.loc[found["set"] == "test", "prediction"] == "3").all()


def test_predictions_are_the_most_probable_class_of_each_image() -> None:
    table, rng = some_goodness(), np.random.default_rng(0)
    before = table.copy()
    net = LogisticNet(rng.normal(size=(4, 3)), np.array([0.1, 0.0, -0.1]))
    found = predict(table, Fit(net, net, 1.0, (0.0, 0.0)))
    kept = table[table["set"] != "fit"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[["set", "index", "label"]], kept[["set", "index", "label"]])
    columns = ["probability/3", "probability/7", "probability/10"]
    expected = np.exp(net.log_probabilities(kept[[f"score{n}" for n in range(4)]].to_numpy()))
    np.testing.assert_allclose(found[columns], expected, rtol=1e-12)
    np.testing.assert_array_equal(
        found["prediction"], np.array(["3", "7", "10"])[expected.argmax(axis=1)]
    )
    assert len(set(found["prediction"])) == 3
    pd.testing.assert_frame_equal(table, before)


# Tables


def test_scores_of_several_networks_are_averaged_layer_by_layer(tmp_path: Path) -> None:
    tables = {}
    for number, name in enumerate(("small", "large", "third")):
        table = some_goodness()
        columns = table.columns.drop(["set", "index", "label"])
        table[columns] = table[columns] * (number + 1) + np.arange(len(columns))
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
        tables[name] = table
    found = read_goodness(tmp_path, ["small", "third"])
    columns = found.columns.drop(["set", "index", "label"])
    expected = (tables["small"][columns] + tables["third"][columns]) / 2
    np.testing.assert_allclose(found[columns], expected, rtol=1e-15)
    images = ["set", "index", "label"]
    pd.testing.assert_frame_equal(found[images], tables["small"][images])
    pd.testing.assert_frame_equal(read_goodness(tmp_path, ["small"]), tables["small"])


def test_learning_curves_are_read_by_layer_and_class_and_averaged_over_classes(
    tmp_path: Path,
) -> None:
    for layer in (1, 2):
        (tmp_path / f"layer{layer}").mkdir()
        for digit in (0, 7):
            errors = [layer * 100.0 + digit, layer * 10.0 + digit]
            frame = pd.DataFrame({"epoch": [1, 2], "error": errors})
            frame.to_csv(tmp_path / f"layer{layer}" / f"{digit}.csv", index=False)
    curves = read_curves(tmp_path, (1, 2))
    rows = curves[["layer", "label", "epoch", "error"]].to_numpy().tolist()
    assert sorted(rows) == [
        [layer, str(digit), epoch, layer * (100 if epoch == 1 else 10) + digit]
        for layer in (1, 2)
        for digit in (0, 7)
        for epoch in (1, 2)
    ]
    mean = mean_curves(curves, "error")
    assert mean.columns.tolist() == ["epoch", "layer1", "layer2"]
    assert mean.to_numpy().tolist() == [[1, 103.5, 203.5], [2, 13.5, 23.5]]
