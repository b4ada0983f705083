"""Stage fit_classifier: the logistic net on every network's scores, and on the chosen average."""

from pathlib import Path

from hpoe.classifier import fit
from hpoe.evaluation import read_goodness, scores_and_labels
from hpoe.nets import averaged, save_fit
from hpoe.params import METHODS
from hpoe.stage import report_errors, stage

GOODNESS, CLASSIFIER = Path("data/goodness"), Path("models/classifier")


@report_errors
def main() -> None:
    """Fit both methods for each choice of networks, so that they can be compared."""
    with stage("fit_classifier") as running:
        for networks in running.params.score_sources:
            table = read_goodness(GOODNESS, networks)
            halves = [scores_and_labels(table, name) for name in ("fit", "validation")]
            for method in METHODS:
                fitted = fit(method, running.params.classifier, halves[0], halves[1])
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


if __name__ == "__main__":
    main()
