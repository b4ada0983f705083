"""Stage ladder: the ablation that leads to the best system, from section 7's suggestions."""

from hpoe.errors import ParamsError
from hpoe.evaluation.refitting import Scores
from hpoe.evaluation.scoring import labelled_images, score_network
from hpoe.execution.pipeline import MODELS, PAPER, SPLIT
from hpoe.execution.stage import Stage, report_errors, stage
from hpoe.files import replacing, write_json
from hpoe.paper.ladder import evaluate, predictions, summary, variants
from hpoe_recognition.normalization import SHEARS, SHIFTS, Preparation, Versions


@report_errors
def main() -> None:
    """Evaluate every variant, from one network to all that are trained."""
    with stage("ladder") as running:
        plain, deskewed = (_networks(running, how) for how in ("as_given", "deskewed"))
        workers, params = running.settings.workers, running.params
        images, _ = labelled_images(SPLIT)
        every = variants(
            [_scores(running, name) for name in plain],
            [_scores(running, name) for name in deskewed],
            score_network(plain[0], SPLIT, MODELS, workers, Versions(), warped=True),
            params.shift_normalization.temperatures,
        )
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
        with replacing(PAPER / "ladder_predictions.csv") as path:
            predictions(results).to_csv(path, index=False)


def _networks(running: Stage, how: Preparation) -> list[str]:
    """Names of the trained networks whose images are prepared in one way."""
    recipes = running.params.networks
    names = [name for name in running.params.train if recipes[name].images == how]
    if not names:
        raise ParamsError(
            f"`train` in params.yaml lists no network with `images: {how}`: the ablation needs one"
        )
    return names


def _scores(running: Stage, network: str) -> Scores:
    versions = Versions(running.params.networks[network].images, SHIFTS, SHEARS)
    return score_network(network, SPLIT, MODELS, running.settings.workers, versions)


if __name__ == "__main__":
    main()
