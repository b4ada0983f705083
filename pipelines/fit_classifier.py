"""Stage fit_classifier: the logistic net on every network's scores, and on the chosen average."""

from pathlib import Path

import pandas as pd

from hpoe.classifier import Fit, fit
from hpoe.evaluation import lowest_layers, read_goodness, scores_and_labels
from hpoe.nets import FEWER_LAYERS, averaged, save_fit
from hpoe.params import METHODS, Method, Params
from hpoe.stage import report_errors, stage

GOODNESS, CLASSIFIER = Path("data/goodness"), Path("models/classifier")


@report_errors
def main() -> None:
    """Fit both methods for each choice of networks, and the chosen one on fewer layers."""
    with stage("fit_classifier") as running:
        for networks in running.params.score_sources:
            table = read_goodness(GOODNESS, networks)
            for name, layers in FEWER_LAYERS.items():
                fewer = _fitted(
                    running.params, running.params.classifier.method, lowest_layers(table, layers)
                )
                save_fit(CLASSIFIER / averaged(networks) / f"{name}.safetensors", fewer)
            for method in METHODS:
                fitted = _fitted(running.params, method, table)
                save_fit(CLASSIFIER / averaged(networks) / f"{method}.safetensors", fitted)
                errors, log_loss = fitted.validation_loss
                what = "C" if method == "logistic_regression" else "epochs"
                running.run.metrics |= {
                    f"{averaged(networks)}/{method}/{key}": value
                    for key, value in (
                        (what, fitted.chosen),
                        ("validation_error_rate", errors),
                        ("validation_log_loss", log_loss),
                    )
                }
                running.say(
                    f"{averaged(networks)}, {method}: validation error {errors:.2%} with "
                    f"{what} = {fitted.chosen:g}"
                )


def _fitted(params: Params, method: Method, table: pd.DataFrame) -> Fit:
    """The net fitted on a table of goodness."""
    halves = [scores_and_labels(table, name) for name in ("fit", "validation")]
    return fit(method, params.classifier, halves[0], halves[1])


if __name__ == "__main__":
    main()
