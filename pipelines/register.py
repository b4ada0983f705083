"""Stage register: the system as a registered model; the champion, if it passes the gate."""

import json

import numpy as np
import pandas as pd

from hpoe.data.split import load_class
from hpoe.evaluation.fits import load_fit
from hpoe.evaluation.measures import error_rates
from hpoe.execution.pipeline import MODELS, REPORTS, SPLIT
from hpoe.execution.stage import stage
from hpoe.execution.synchronisation import register_trained
from hpoe.files import write_json
from hpoe.registration.assembly import assemble, teach_refusal
from hpoe.registration.observing import observed
from hpoe.reporting import report_errors
from hpoe.tensors import save_tensors
from hpoe_recognition.recogniser import Recogniser

EVERY = 5
"""Every fifth test image is enough to estimate the share that is refused."""

ENOUGH = 10
"""Refused held-out images that make the threshold more than an estimate."""


@report_errors
def main() -> None:
    """Package the evaluated system, register it, and promote it if it passes the gate."""
    with stage("register") as running:
        params, workers = running.params, running.settings.workers
        fit = load_fit(MODELS / "shift_classifier.safetensors")
        soft = json.loads((REPORTS / "shift_normalization.json").read_text())["soft"]
        recipes = {name: params.networks[name] for name in params.classifier.networks}
        system = assemble(SPLIT, MODELS, recipes, fit, soft["temperature"], params.data.format)
        refusal = params.registration.refusal
        recogniser, held_out = teach_refusal(system, SPLIT, refusal, params.seed, workers)
        save_tensors(MODELS / "recogniser.safetensors", *recogniser.contents())
        predictions = pd.read_parquet(REPORTS / "shift_predictions.parquet")
        metrics = {
            **error_rates(predictions),
            "refused_test_images": _refused_share(recogniser, workers),
            "threshold_images": held_out,
        }
        if held_out * refusal.refused_known < ENOUGH:
            running.say(
                f"that {refusal.refused_known:.0%} of images of known classes are refused is an "
                f"estimate: the threshold rests on {held_out} held-out images"
            )
        write_json(REPORTS / "register.json", metrics)
        running.run.metrics |= metrics
        run_id = running.delivery.top_level_run_id(running.record)
        register_trained(running.record, run_id, params, running.settings, running.say)


def _refused_share(recogniser: Recogniser, workers: int) -> float:
    """Return the share of test images, which the threshold has not seen, that are refused."""
    system, score = recogniser.system, recogniser.known_score
    images = np.concatenate([load_class(SPLIT, label).test[::EVERY] for label in system.labels])
    found = observed(system, score.edges, images, workers)
    return float(np.mean(score.of(found) < score.threshold))


if __name__ == "__main__":
    main()
