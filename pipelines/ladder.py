"""Stage ladder: the ablation that leads to the best system, from section 7's suggestions."""

from typing import get_args

from hpoe.errors import ParamsError
from hpoe.evaluation.scoring import labelled_images, score_network
from hpoe.execution.pipeline import MODELS, PAPER, SPLIT
from hpoe.execution.stage import stage
from hpoe.files import write_json, write_table
from hpoe.paper.ladder import evaluate, predictions, summary, variants
from hpoe.params import Params
from hpoe.reporting import report_errors
from hpoe_recognition.normalization import SHEARS, SHIFTS, Preparation, Versions


@report_errors
def main() -> None:
    """Evaluate every variant, from one network to all that are trained."""
    with stage("ladder") as running:
        workers, params = running.settings.workers, running.params
        names = {how: _networks(params, how) for how in get_args(Preparation)}
        scores = {
            how: [
                score_network(name, SPLIT, MODELS, workers, Versions(how, SHIFTS, SHEARS))
                for name in networks
            ]
            for how, networks in names.items()
        }
        first = names["as_given"][0]
        warped = score_network(first, SPLIT, MODELS, workers, Versions(), warped=True)
        temperatures = params.shift_normalization.temperatures
        every = variants(scores["as_given"], scores["deskewed"], warped, temperatures)
        images, _ = labelled_images(SPLIT)
        results = []
        for variant in every:
            results.append(evaluate(variant, params.classifier, images, workers))
            rates = results[-1].outcome.rates
            running.say(
                f"{variant.step}: validation error {rates['validation_error_rate']:.2%}, "
                f"test error {rates['test_error_rate']:.2%}"
            )
            running.run.metrics[f"{variant.name}_test_error_rate"] = rates["test_error_rate"]
        write_json(PAPER / "ladder.json", summary(results))
        write_table(PAPER / "ladder_predictions.csv", predictions(results))


def _networks(params: Params, how: Preparation) -> list[str]:
    """Return the names of the trained networks whose images are prepared in one way."""
    names = [name for name in params.train if params.networks[name].images == how]
    if not names:
        raise ParamsError(
            f"`train` in params.yaml lists no network with `images: {how}`: the ablation needs one"
        )
    return names


if __name__ == "__main__":
    main()
