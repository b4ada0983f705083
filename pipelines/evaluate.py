"""Stage evaluate: errors, confusions, predictions and figures of the fitted classifiers."""

from pathlib import Path

import pandas as pd

from hpoe.data.split import labels_in
from hpoe.evaluation import drawing, figures
from hpoe.evaluation.fits import FEWER_LAYERS, averaged, load_fit
from hpoe.evaluation.measures import (
    calibration,
    calibration_error,
    confusion,
    error_rates,
    errors_by_class,
    lowest_layers,
    mean_curves,
    predict,
    read_curves,
    read_goodness,
)
from hpoe.evaluation.scoring import LAYERS, labelled_images
from hpoe.execution.pipeline import CLASSIFIER, FIGURES, GOODNESS, MODELS, REPORTS, SPLIT
from hpoe.execution.stage import stage
from hpoe.files import write_json, write_table
from hpoe.params import METHODS, Params
from hpoe.reporting import report_errors
from hpoe.tensors import load_tensors
from hpoe.training.tasks import weights_path

UNITS_PER_CLASS = 18
"""Receptive fields in the figure."""


@report_errors
def main() -> None:
    """Evaluate every fitted classifier; write tables and figures of the chosen one."""
    with stage("evaluate") as running:
        chosen = running.params.classifier
        predictions = _predict(chosen.networks, chosen.method, len(LAYERS))
        rates = error_rates(predictions)
        reliability = calibration(predictions)
        rates["test_calibration_error"] = calibration_error(reliability)
        write_json(REPORTS / "metrics.json", {**rates, **_compare(running.params)})
        running.attach([REPORTS / "metrics.json"], "tables")
        running.attach(_write_tables(predictions, reliability, chosen.networks[0]), "tables")
        running.attach(_draw(predictions, reliability, chosen.networks[0]), "figures")
        running.run.metrics |= rates
        running.pipeline.metrics |= rates
        running.say(
            f"test error {rates['test_error_rate']:.2%} (95 % interval "
            f"{rates['test_error_rate_low']:.2%} to {rates['test_error_rate_high']:.2%}), "
            f"validation error {rates['validation_error_rate']:.2%}"
        )


def _predict(networks: tuple[str, ...], net: str, n_layers: int) -> pd.DataFrame:
    fit = load_fit(CLASSIFIER / averaged(networks) / f"{net}.safetensors")
    return predict(lowest_layers(read_goodness(GOODNESS, networks), n_layers), fit)


def _compare(params: Params) -> dict[str, dict[str, dict[str, float]]]:
    """Return error rates of every fitted classifier, by networks and method or layers."""
    nets: dict[str, int] = {**FEWER_LAYERS}
    nets |= {method: len(LAYERS) for method in METHODS}
    return {
        averaged(networks): {
            net: error_rates(_predict(networks, net, n_layers)) for net, n_layers in nets.items()
        }
        for networks in params.score_sources
    }


def _write_tables(predictions: pd.DataFrame, reliability: pd.DataFrame, network: str) -> list[Path]:
    test = predictions[predictions["set"] == "test"]
    curves = read_curves(MODELS / network, LAYERS)
    tables = {
        "predictions.parquet": predictions,
        "calibration.csv": reliability,
        "confusion.csv": test[["label", "prediction"]],
        "errors_by_class.csv": errors_by_class(predictions),
        "learning_curves.csv": mean_curves(curves, "reconstruction_error"),
    }
    for name, table in tables.items():
        write_table(REPORTS / name, table)
    return [REPORTS / name for name in tables]


def _draw(predictions: pd.DataFrame, reliability: pd.DataFrame, network: str) -> list[Path]:
    """Draw the chosen classifier's errors, and its (first) network's models."""
    labels = labels_in(SPLIT)
    table, every_image = labelled_images(SPLIT)
    images = every_image[(table["set"] != "fit").to_numpy()]  # in the order of the predictions
    test = predictions[predictions["set"] == "test"]
    wrong = test[test["prediction"] != test["label"]]
    fields = {}
    for label in labels:
        path = weights_path(MODELS, network, 1, label)
        weights = load_tensors(path, "run `dvc repro` to train it")[0]["weights"]
        fields[label] = weights[:, :UNITS_PER_CLASS].T.reshape(-1, *images.shape[1:])
    true, predicted = (wrong[column].to_numpy() for column in ("label", "prediction"))
    pictures = {
        "misclassified": figures.misclassified(images[wrong.index], true, predicted, len(test)),
        "calibration": figures.calibration(reliability, calibration_error(reliability)),
        "confusion": figures.confusion(confusion(predictions, labels), labels),
        "receptive_fields": figures.receptive_fields(fields, network),
        "learning_curves": figures.learning_curves(read_curves(MODELS / network, LAYERS), network),
    }
    for name, figure in pictures.items():
        drawing.save(figure, FIGURES / f"{name}.png")
    return [FIGURES / f"{name}.png" for name in pictures]


if __name__ == "__main__":
    main()
