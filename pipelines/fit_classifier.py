"""Stage fit_classifier: the logistic net on every network's scores, and on the chosen average."""

from hpoe.evaluation.fits import FEWER_LAYERS, averaged, save_fit
from hpoe.evaluation.measures import lowest_layers, read_goodness
from hpoe.evaluation.refitting import fit_table
from hpoe.execution.pipeline import CLASSIFIER, GOODNESS
from hpoe.execution.stage import stage
from hpoe.params import METHODS
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Fit both methods for each choice of networks, and the chosen one on fewer layers."""
    with stage("fit_classifier") as running:
        params = running.params.classifier
        for networks in running.params.score_sources:
            table, name = read_goodness(GOODNESS, networks), averaged(networks)
            for file, n_layers in FEWER_LAYERS.items():
                fewer = fit_table(params.method, params, lowest_layers(table, n_layers))
                save_fit(CLASSIFIER / name / f"{file}.safetensors", fewer)
            for method in METHODS:
                fitted = fit_table(method, params, table)
                save_fit(CLASSIFIER / name / f"{method}.safetensors", fitted)
                errors, log_loss = fitted.validation_loss
                number = "C" if method == "logistic_regression" else "epochs"
                running.run.metrics |= {
                    f"{name}/{method}/{number}": fitted.chosen,
                    f"{name}/{method}/validation_error_rate": errors,
                    f"{name}/{method}/validation_log_loss": log_loss,
                }
                running.say(
                    f"{name}, {method}: validation error {errors:.2%} with "
                    f"{number} = {fitted.chosen:g}"
                )


if __name__ == "__main__":
    main()
