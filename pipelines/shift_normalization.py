"""Stage shift_normalization: each model chooses among shifted images (section 7)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.evaluation import drawing, figures
from hpoe.evaluation.fits import averaged, save_fit
from hpoe.evaluation.measures import IMAGE_COLUMNS, labels_of, read_goodness
from hpoe.evaluation.refitting import RefitResult, best, chosen_versions, refit_each, soft_choices
from hpoe.evaluation.scoring import LAYERS, labelled_images, score_name, score_network
from hpoe.execution.pipeline import FIGURES, GOODNESS, MODELS, REPORTS, SPLIT
from hpoe.execution.stage import Stage, stage
from hpoe.files import write_json, write_table
from hpoe.params import Params
from hpoe.reporting import report_errors
from hpoe_recognition.normalization import SHIFTS, Versions

SEVEN_OR_NINE = ("7", "9")
"""Digits of the paper's own experiment: 7s and 9s."""


@dataclass(frozen=True)
class Experiment:
    """The same images as given, with the paper's maximum, and with soft choices by temperature."""

    as_given: RefitResult
    maximum: RefitResult
    soft: dict[float, RefitResult]
    temperature: float
    """The one chosen on validation."""

    @property
    def chosen(self) -> RefitResult:
        """The soft choice at the chosen temperature."""
        return self.soft[self.temperature]

    @property
    def metrics(self) -> dict[str, Any]:
        """Error rates by choice."""
        return {
            "as_given": self.as_given.rates,
            "maximum": self.maximum.rates,
            "soft": {"temperature": self.temperature, **self.chosen.rates},
        }


@report_errors
def main() -> None:
    """Refit the classifier on normalised scores; report errors before and after."""
    with stage("shift_normalization") as running:
        params, workers = running.params, running.settings.workers
        scores = {
            name: score_network(
                name, SPLIT, MODELS, workers, Versions(params.networks[name].images, SHIFTS)
            )
            for name in params.train
        }
        experiments, metrics = {}, {}
        for networks in params.score_sources:
            table = read_goodness(GOODNESS, networks)
            mean = np.mean([scores[name] for name in networks], axis=0)
            experiments[networks] = _experiment(params, table, mean, workers)
            metrics[averaged(networks)] = experiments[networks].metrics
            if networks == params.classifier.networks:
                _write_choices(table, mean)
            if set(SEVEN_OR_NINE) <= set(labels_of(table)):
                pair = _experiment(params, *_restrict(table, mean), workers)
                metrics[averaged(networks)]["seven_or_nine"] = pair.metrics
        chosen = experiments[params.classifier.networks]
        chosen_metrics = metrics[averaged(params.classifier.networks)]
        write_json(REPORTS / "shift_normalization.json", {**chosen_metrics, **metrics})
        _write_predictions(experiments)
        _write_tables(chosen)
        _draw_changes(chosen)
        save_fit(MODELS / "shift_classifier.safetensors", chosen.chosen.fit)
        _report(running, chosen)


def _report(running: Stage, experiment: Experiment) -> None:
    """Track and print the errors before and after."""
    chosen = experiment.chosen.rates
    running.run.metrics |= chosen
    running.pipeline.metrics |= {f"soft_shifts_{key}": rate for key, rate in chosen.items()}
    running.attach(FIGURES.glob("shift_*"), "figures")
    running.attach(REPORTS.glob("shift_*"), "tables")
    for name, rates in (
        ("no shifts", experiment.as_given.rates),
        ("maximum over shifts", experiment.maximum.rates),
        (f"soft choice, T = {experiment.temperature:g}", chosen),
    ):
        running.say(
            f"{name}: test error {rates['test_error_rate']:.2%}, "
            f"validation error {rates['validation_error_rate']:.2%}"
        )


def _experiment(
    params: Params, table: pd.DataFrame, versions: NDArray[np.float64], workers: int
) -> Experiment:
    """Fit and evaluate each choice among the scores [S, N, M] of the table's images."""
    softened = soft_choices(versions, params.shift_normalization.temperatures)
    choices = [versions[SHIFTS.index((0, 0))], versions.max(axis=0), *softened.values()]
    as_given, maximum, *others = refit_each(params.classifier, table, choices, workers)
    soft = dict(zip(softened, others, strict=True))
    return Experiment(as_given, maximum, soft, best(soft))


def _restrict(
    table: pd.DataFrame, versions: NDArray[np.float64]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Keep the images of 7s and 9s, and the scores under their models."""
    rows = table["label"].isin(SEVEN_OR_NINE).to_numpy()
    names = table.columns.drop(IMAGE_COLUMNS)
    columns = names.isin([score_name(label, layer) for label in SEVEN_OR_NINE for layer in LAYERS])
    kept = table.loc[rows, [*IMAGE_COLUMNS, *names[columns]]].reset_index(drop=True)
    return kept, versions[:, rows][:, :, columns]


def _write_predictions(experiments: dict[tuple[str, ...], Experiment]) -> None:
    """Write every classifier's prediction, one row per validation or test image."""
    tables = {}
    for networks, experiment in experiments.items():
        name = averaged(networks)
        tables[name] = experiment.as_given.predictions
        tables[f"{name}_maximum"] = experiment.maximum.predictions
        tables[f"{name}_soft"] = experiment.chosen.predictions
    columns = pd.DataFrame({name: table["prediction"] for name, table in tables.items()})
    write_table(REPORTS / "all_predictions.csv", tables[name][IMAGE_COLUMNS].join(columns))


def _write_choices(table: pd.DataFrame, versions: NDArray[np.float64]) -> None:
    """Write which versions of the test images the models of their own class and others choose."""
    test = (table["set"] == "test").to_numpy()
    names = table.columns.drop(IMAGE_COLUMNS)
    model_labels = names.str.rsplit("/", n=1).str[0].to_numpy()
    own = table.loc[test, "label"].to_numpy()[:, None] == model_labels
    fractions = chosen_versions(versions[:, test], own)
    shifts = pd.DataFrame(SHIFTS, columns=["rows_down", "columns_right"])
    chosen = shifts.assign(own_models=fractions[0], other_models=fractions[1])
    write_table(REPORTS / "shift_choices.csv", chosen)


def _write_tables(experiment: Experiment) -> None:
    """Write the errors by temperature, with their figure, and the chosen predictions."""
    rates = {temperature: result.rates for temperature, result in experiment.soft.items()}
    table = pd.DataFrame.from_dict(rates, orient="index").rename_axis("temperature").reset_index()
    write_table(REPORTS / "shift_temperatures.csv", table)
    write_table(REPORTS / "shift_predictions.parquet", experiment.chosen.predictions)
    as_given, maximum = (
        (rates["validation_error_rate"], rates["test_error_rate"])
        for rates in (experiment.as_given.rates, experiment.maximum.rates)
    )
    figure = figures.shift_temperatures(table, as_given, maximum, experiment.temperature)
    drawing.save(figure, FIGURES / "shift_normalization.png")


def _draw_changes(experiment: Experiment) -> None:
    """Draw the test images that the soft choice corrects and spoils."""
    before, after = experiment.as_given.predictions, experiment.chosen.predictions
    table, every_image = labelled_images(SPLIT)
    images = every_image[(table["set"] == "test").to_numpy()]
    test = before["set"] == "test"
    columns = (before["label"], before["prediction"], after["prediction"])
    figure = figures.changed_predictions(images, *(part[test].to_numpy() for part in columns))
    drawing.save(figure, FIGURES / "shift_mended.png")


if __name__ == "__main__":
    main()
