"""Files of classifiers: arrays as safetensors, and a record in JSON of all else."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hpoe.errors import WeightsError
from hpoe.estimators.known import Typical
from hpoe.tensors import load_tensors, save_tensors
from hpoe_recognition.arrays import from_arrays, to_arrays
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Network

if TYPE_CHECKING:
    from hpoe.estimators.classifier import HierarchicalExpertsClassifier

    Classifier = TypeVar("Classifier", bound=HierarchicalExpertsClassifier)

KIND = "HierarchicalExpertsClassifier"
"""What the record of a file says that it holds."""


def save(path: Path, model: "HierarchicalExpertsClassifier") -> None:
    """Write a fitted classifier.

    Raises:
        StorageError: the file cannot be written.
        TypeError: a parameter or a label cannot be written as JSON.
    """
    arrays = model.network_.to_arrays("network") | to_arrays(model.net_, "net/")
    arrays |= {"typical/mean": model.typical_.mean, "typical/deviation": model.typical_.deviation}
    for position, samples in enumerate(model._supervised):
        arrays[f"supervised/{position}"] = samples
    params = model.get_params(deep=False)
    seed = params["random_state"]
    record = {
        "kind": KIND,
        "params": {**params, "random_state": seed if isinstance(seed, int) else None},
        "seed": model._seed,
        "labels": model.classes_.tolist(),
        "dtype": model.classes_.dtype.str,
        "threshold": model.typical_.threshold,
        "n_features": model.n_features_in_,
        "feature_names": [*getattr(model, "feature_names_in_", [])],
    }
    save_tensors(path, arrays, record)


def load(model: "Classifier", path: Path) -> "Classifier":
    """Give a new classifier the parameters and the state of a file.

    Raises:
        WeightsError: the file is missing, damaged or of another kind.
    """
    arrays, record = load_tensors(path, "save the model again")
    if record.get("kind") != KIND:
        raise WeightsError(f"{path} is another kind of file: give one that {KIND}.save wrote")
    model.set_params(**record["params"])
    model._seed = record["seed"]
    model.classes_ = np.array(record["labels"], dtype=record["dtype"])
    model.n_features_in_ = record["n_features"]
    if record["feature_names"]:
        model.feature_names_in_ = np.array(record["feature_names"], dtype=object)
    model.network_ = Network.from_arrays(arrays, "network", "as_given")
    model.net_ = from_arrays(LogisticNet, arrays, "net/")
    parts: dict[str, Any] = {name: arrays[f"typical/{name}"] for name in ("mean", "deviation")}
    model.typical_ = Typical(**parts, threshold=record["threshold"])
    count = len(model.classes_)
    model._supervised = [arrays[f"supervised/{position}"] for position in range(count)]
    return model
