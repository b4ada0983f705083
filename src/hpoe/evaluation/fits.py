"""Fitted logistic nets as files: models/classifier/NETWORKS/METHOD.safetensors."""

from collections.abc import Sequence
from pathlib import Path

from hpoe.method.classifier import Fit
from hpoe.tensors import load_tensors, save_tensors
from hpoe_recognition.logistic import LogisticNet

REMEDY = "delete it and run `dvc repro` to fit it again"
FEWER_LAYERS = {"one_layer": 1, "two_layers": 2}
"""Nets on the scores of the lowest layers alone: number of layers by the file's name."""
ARRAYS = ("weights", "biases", "validation_net.weights", "validation_net.biases")


def averaged(networks: Sequence[str]) -> str:
    """Return the name for the average of some networks' scores; for one network, its own name."""
    return "_and_".join(networks)


def save_fit(path: Path, fit: Fit) -> None:
    """Write a fit: the final net and the validation net, float64."""
    parts = (part for net in (fit.net, fit.validation_net) for part in (net.weights, net.biases))
    arrays = dict(zip(ARRAYS, parts, strict=True))
    save_tensors(path, arrays, {"chosen": fit.chosen, "validation_loss": fit.validation_loss})


def load_fit(path: Path) -> Fit:
    """Read a fit.

    Raises:
        WeightsError: the file is missing, damaged, or of another format version.
    """
    arrays, record = load_tensors(path, REMEDY, needed=ARRAYS)
    error_rate, log_loss = record["validation_loss"]
    return Fit(
        LogisticNet(arrays["weights"], arrays["biases"]),
        LogisticNet(arrays["validation_net.weights"], arrays["validation_net.biases"]),
        record["chosen"],
        (error_rate, log_loss),
    )
