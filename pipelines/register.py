"""Stage register: the system as a registered model; the champion, if it passes the gate."""

import json
from contextlib import closing

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import load_digit
from hpoe.errors import RegistryError
from hpoe.evaluation.fits import load_fit
from hpoe.evaluation.measures import error_rates
from hpoe.execution.pipeline import MODELS, REPORTS, SPLIT
from hpoe.execution.stage import Stage, split_digest, stage
from hpoe.files import write_json
from hpoe.registration.assembly import assemble, in_batches, joined, teach_refusal
from hpoe.registration.gate import judge
from hpoe.registration.packages import Package
from hpoe.registration.registry import NAME, Registry
from hpoe.reporting import report_errors
from hpoe.tensors import save_tensors
from hpoe_recognition.images import base64_png
from hpoe_recognition.recogniser import Recogniser

EVERY = 5
"""Every fifth test image is enough to estimate the share that is refused."""
IMAGES_PER_CALL = 500
"""Validation images per request to a worker process."""
IMAGES_TO_ANSWER = 100
"""Number of validation images for which the package's full answers are checked."""


@report_errors
def main() -> None:
    """Package the evaluated system, register it, and promote it if it passes the gate."""
    with stage("register") as running:
        params, workers = running.params, running.settings.workers
        fit = load_fit(MODELS / "shift_classifier.safetensors")
        soft = json.loads((REPORTS / "shift_normalization.json").read_text())["soft"]
        recipes = {name: params.networks[name] for name in params.classifier.networks}
        system = assemble(SPLIT, MODELS, recipes, fit, soft["temperature"])
        recogniser = teach_refusal(system, SPLIT, params.registration.refusal, params.seed, workers)
        save_tensors(MODELS / "recogniser.safetensors", *recogniser.contents())
        predictions = pd.read_parquet(REPORTS / "shift_predictions.parquet")
        metrics = {
            **error_rates(predictions),
            "refused_test_images": _refused_share(recogniser, workers),
        }
        write_json(REPORTS / "register.json", metrics)
        running.run.metrics |= metrics
        _register(running, recogniser, predictions, metrics)


def _register(
    running: Stage, recogniser: Recogniser, predictions: pd.DataFrame, metrics: dict[str, float]
) -> None:
    """Register the system as the candidate, and let the gate decide."""
    registry = Registry(running.settings.tracking_uri)
    validation = predictions[predictions["set"] == "validation"]
    images = np.concatenate(
        [load_digit(SPLIT, label).validation for label in recogniser.system.labels]
    )
    version = registry.add(
        running.delivery.top_level_run_id(running.record),
        recogniser,
        validation,
        base64_png(images[0]),
        _tags(running, metrics),
    )
    running.say(f"{NAME} version {version} registered as the candidate")
    try:
        with closing(Package(registry, version, running.settings.workers)) as package:
            _check_package(package, recogniser, images, validation["prediction"].to_numpy())
    except RegistryError:
        registry.withdraw(version)
        raise
    champion = registry.champion()
    if champion is not None:
        significance = running.params.registration.significance
        verdict = judge(validation, registry.validation(champion), significance)
        if not verdict.passes:
            running.say(f"version {champion} stays the champion: {verdict.reason}")
            return
        running.say(f"compared with version {champion}, {verdict.reason}")
    registry.promote(version)
    running.say(f"version {version} is the champion: `make serve` serves it")


def _check_package(
    package: Package,
    recogniser: Recogniser,
    images: NDArray[np.uint8],
    predictions: NDArray[np.int64],
) -> None:
    """Let the package recognise the validation images, with its own code.

    Raises:
        RegistryError: its predictions differ from the evaluation's.
    """
    texts = [base64_png(image) for image in images]
    parts = [texts[at : at + IMAGES_PER_CALL] for at in range(0, len(texts), IMAGES_PER_CALL)]
    recognised = np.concatenate(package.ask("validation_labels", parts))
    few = slice(None, None, max(1, len(images) // IMAGES_TO_ANSWER))
    answers = package.submit("answers", texts[few]).result()
    expected = recogniser.system.recognise(recogniser.system.net, images[few])
    differing = int((recognised != predictions).sum())
    differing += sum(a.get("digit") != digit for a, digit in zip(answers, expected, strict=True))
    if differing:
        raise RegistryError(
            f"the package of version {package.version} classifies {differing} validation images "
            "differently from the evaluation: it is not promoted; run `dvc repro --force register`"
        )


def _refused_share(recogniser: Recogniser, workers: int) -> float:
    """Return the share of test images, which the threshold has not seen, that are refused."""
    system, score = recogniser.system, recogniser.digit_score
    images = np.concatenate([load_digit(SPLIT, label).test[::EVERY] for label in system.labels])
    evidence = joined(run_in_order(system.evidence, in_batches(images), workers))
    return float(np.mean(score(evidence) < score.threshold))


def _tags(running: Stage, metrics: dict[str, float]) -> dict[str, str]:
    """Return the version's tags: the link to its run, and the columns of `hpoe models`."""
    pipeline = running.pipeline
    return {
        "networks": ", ".join(running.params.classifier.networks),
        **{name: f"{metrics[name]:.4f}" for name in ("validation_error_rate", "test_error_rate")},
        **{key: pipeline.tags[key] for key in pipeline.tags if "git" in key},
        "execution": pipeline.uid,
        "split_md5": split_digest(),
    }


if __name__ == "__main__":
    main()
