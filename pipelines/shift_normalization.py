"""Stage shift_normalization: each model chooses among shifted images (section 7)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.evaluation import figures
from hpoe.evaluation.fits import averaged, save_fit
from hpoe.evaluation.measures import IMAGE_COLUMNS, read_goodness
from hpoe.evaluation.refitting import Outcome, best, refit_each, soft_choices
from hpoe.evaluation.scoring import labelled_images, score_network
from hpoe.execution.pipeline import SPLIT
from hpoe.execution.stage import Stage, report_errors, stage
from hpoe.files import replacing, write_json
from hpoe.params import Params
from hpoe_recognition.normalization import SHIFTS, Versions, chosen_versions, maximum_choice

GOODNESS, MODELS, REPORTS = Path("data/goodness"), Path("models"), Path("reports")
SEVEN_OR_NINE = (7, 9)


@dataclass(frozen=True)
class Experiment:
    """The same images as given, with the paper's maximum, and with soft choices by temperature."""

    as_given: Outcome
    maximum: Outcome
    soft: dict[float, Outcome]

    @property
    def temperature(self) -> float:
        """The temperature chosen on validation."""
        return best(self.soft)


@report_errors
def main() -> None:
    """Refit the classifier on normalised scores; report errors before and after."""
    with stage("shift_normalization") as running:
        params, workers = running.params, running.settings.workers
        versions = {
            name: score_network(
                name,
                SPLIT,
                MODELS,
                workers,
                Versions(params.networks[name].images, SHIFTS),
            )
            for name in params.train
        }
        experiments, metrics = {}, {}
        for networks in params.score_sources:
            table = read_goodness(GOODNESS, networks)
            mean = np.mean([versions[name] for name in networks], axis=0)
            experiment = _experiment(params, table, mean, workers)
            experiments[networks] = experiment
            if networks == params.classifier.networks:
                _write_choices(table, mean)
            metrics[averaged(networks)] = _metrics(experiment)
            if set(SEVEN_OR_NINE) <= set(params.split.digits):
                two_digits = _experiment(params, *_restrict(table, mean), workers)
                metrics[averaged(networks)]["seven_or_nine"] = _metrics(two_digits)
        all_digits = experiments[params.classifier.networks]
        chosen_metrics = metrics[averaged(params.classifier.networks)]
        write_json(REPORTS / "shift_normalization.json", {**chosen_metrics, **metrics})
        _write_predictions(experiments)
        _write_tables_and_figure(all_digits)
        _draw_mended(all_digits)
        chosen = all_digits.soft[all_digits.temperature]
        save_fit(MODELS / "shift_classifier.safetensors", chosen.fit)
        _report(running, all_digits)


def _report(running: Stage, all_digits: Experiment) -> None:
    """Track and tell the errors before and after."""
    chosen = all_digits.soft[all_digits.temperature]
    running.run.metrics |= chosen.rates
    running.pipeline.metrics |= {f"soft_shifts_{key}": v for key, v in chosen.rates.items()}
    pictures = ("normalization", "mended")
    running.attach([REPORTS / "figures" / f"shift_{name}.png" for name in pictures], "figures")
    names = ("normalization.json", "temperatures.csv", "choices.csv", "predictions.parquet")
    running.attach([REPORTS / f"shift_{name}" for name in names], "tables")
    for name, rates in (
        ("no shifts", all_digits.as_given.rates),
        ("maximum over shifts", all_digits.maximum.rates),
        (f"soft choice, T = {all_digits.temperature:g}", chosen.rates),
    ):
        running.say(
            f"{name}: test error {rates['test_error_rate']:.2%}, "
            f"validation error {rates['validation_error_rate']:.2%}"
        )


def _experiment(
    params: Params, table: pd.DataFrame, versions: NDArray[np.float64], workers: int
) -> Experiment:
    """Fit and evaluate each choice; `versions` are the scores [S, N, M] of the table's images."""
    softened = soft_choices(versions, params.shift_normalization.temperatures)
    choices = [versions[SHIFTS.index((0, 0))], maximum_choice(versions), *softened.values()]
    as_given, maximum, *soft = refit_each(params.classifier, table, choices, workers)
    return Experiment(as_given, maximum, dict(zip(softened, soft, strict=True)))


def _restrict(
    table: pd.DataFrame, versions: NDArray[np.float64]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Images of 7s and 9s, under the models of 7s and 9s: the paper's own experiment."""
    rows = table["label"].isin(SEVEN_OR_NINE).to_numpy()
    names = table.columns.drop(IMAGE_COLUMNS)
    prefixes = tuple(f"digit{digit}_" for digit in SEVEN_OR_NINE)
    columns = names.str.startswith(prefixes)
    kept = table.loc[rows, [*IMAGE_COLUMNS, *names[columns]]].reset_index(drop=True)
    return kept, versions[:, rows][:, :, columns]


def _metrics(experiment: Experiment) -> dict[str, Any]:
    temperature = experiment.temperature
    return {
        "as_given": experiment.as_given.rates,
        "maximum": experiment.maximum.rates,
        "soft": {"temperature": temperature, **experiment.soft[temperature].rates},
    }


def _write_predictions(experiments: dict[tuple[str, ...], Experiment]) -> None:
    """A row a validation or test image: its label, and every classifier's prediction."""
    columns: dict[str, pd.Series] = {}
    for networks, experiment in experiments.items():
        name = averaged(networks)
        chosen = experiment.soft[experiment.temperature]
        outcomes = {"": experiment.as_given, "_maximum": experiment.maximum, "_soft": chosen}
        columns |= {
            f"{name}{choice}": outcome.predictions["prediction"]
            for choice, outcome in outcomes.items()
        }
        images = chosen.predictions[IMAGE_COLUMNS]
    with replacing(REPORTS / "all_predictions.csv") as path:
        images.join(pd.DataFrame(columns)).to_csv(path, index=False)


def _write_choices(table: pd.DataFrame, versions: NDArray[np.float64]) -> None:
    """Which versions of the test images their own digit's models like best, and the others."""
    test = (table["set"] == "test").to_numpy()
    names = table.columns.drop(IMAGE_COLUMNS)
    digits = names.str.extract(r"^digit(\d+)_", expand=False).astype(int).to_numpy()
    own = table.loc[test, "label"].to_numpy()[:, None] == digits
    fractions = chosen_versions(versions[:, test], own)
    shifts = pd.DataFrame(SHIFTS, columns=["rows_down", "columns_right"])
    chosen = shifts.assign(own_models=fractions[0], other_models=fractions[1])
    with replacing(REPORTS / "shift_choices.csv") as path:
        chosen.to_csv(path, index=False)


def _draw_mended(experiment: Experiment) -> None:
    """The test images that the soft choice mends and spoils."""
    before = experiment.as_given.predictions
    after = experiment.soft[experiment.temperature].predictions
    table, every_image = labelled_images(SPLIT)
    images = every_image[(table["set"] == "test").to_numpy()]
    test = before["set"] == "test"
    columns = (before["label"], before["prediction"], after["prediction"])
    picture = figures.mended_and_spoilt(images, *(part[test].to_numpy() for part in columns))
    figures.save(picture, REPORTS / "figures" / "shift_mended.png")


def _write_tables_and_figure(experiment: Experiment) -> None:
    rates = {temperature: outcome.rates for temperature, outcome in experiment.soft.items()}
    table = pd.DataFrame.from_dict(rates, orient="index").rename_axis("temperature").reset_index()
    with replacing(REPORTS / "shift_temperatures.csv") as path:
        table.to_csv(path, index=False)
    with replacing(REPORTS / "shift_predictions.parquet") as path:
        experiment.soft[experiment.temperature].predictions.to_parquet(path, index=False)
    picture = figures.shift_temperatures(
        table,
        _pair(experiment.as_given.rates),
        _pair(experiment.maximum.rates),
        experiment.temperature,
    )
    figures.save(picture, REPORTS / "figures" / "shift_normalization.png")


def _pair(rates: dict[str, float]) -> tuple[float, float]:
    return rates["validation_error_rate"], rates["test_error_rate"]


if __name__ == "__main__":
    main()
