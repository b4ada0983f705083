"""Files of classifiers: arrays as safetensors, and a record in JSON of all else."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hpoe.errors import WeightsError
from hpoe.estimators.known import Typical
from hpoe.tensors import load_tensors, save_tensors
from hpoe_recognition.arrays import from_arrays, to_arrays
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Network

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc.model import PythonModel

KIND = "HierarchicalExpertsClassifier"
"""What the record of a file says that it holds."""


class SavedClassifier:
    """What a HierarchicalExpertsClassifier does with files and MLflow."""

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors, from which `load` makes it again; nothing is pickled.

        Labels must be text, integers or booleans.

        Parameters
        ----------
        path : str or path
            File to write; an existing one is replaced once the new one is whole.
        """
        check_is_fitted(self)
        save(Path(path), self)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : str or path
            File to read.

        Raises
        ------
        hpoe.errors.WeightsError
            If the file is missing, damaged or no such model.
        """
        model = cls()
        restore(model, Path(path))
        return model

    def to_pyfunc(self) -> "PythonModel":
        """Return the model as an MLflow pyfunc, which predicts label and probability of each row.

        `log_model` logs it without pickling it.
        """
        from hpoe.estimators.pyfunc import ClassifierModel

        return ClassifierModel(self)  # type: ignore[arg-type]

    def log_model(self, name: str, **options: Any) -> "ModelInfo":  # noqa: ANN401
        """Log the model to the active MLflow run, as a pyfunc with its code and its safetensors.

        Parameters
        ----------
        name : str
            The model's name in the run.
        **options
            Passed on to `mlflow.pyfunc.log_model`, such as `registered_model_name`.

        Returns
        -------
        mlflow.models.model.ModelInfo
        """
        from hpoe.estimators.pyfunc import log

        return log(self, name, options)  # type: ignore[arg-type]


def save(path: Path, model: Any) -> None:  # noqa: ANN401
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


def restore(model: Any, path: Path) -> None:  # noqa: ANN401
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
