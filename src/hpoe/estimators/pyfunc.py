"""A classifier as an MLflow pyfunc; MLflow runs this file to load a logged model."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, Schema

from hpoe import __version__
from hpoe.estimators.classifier import HierarchicalExpertsClassifier


class ClassifierModel(PythonModel):
    """Answers one row of features with one row: label, probability, and whether it is known."""

    def __init__(self, classifier: HierarchicalExpertsClassifier) -> None:
        self.classifier = classifier

    def load_context(self, context: PythonModelContext) -> None:
        """Read the classifier from the model's artifacts."""
        path = Path(context.artifacts["classifier"])
        self.classifier = HierarchicalExpertsClassifier.load(path)

    def predict(
        self,
        context: PythonModelContext | None,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify samples of shape (n_samples, n_features), a data frame or an array."""
        named = hasattr(self.classifier, "feature_names_in_")
        X = model_input if named else np.asarray(model_input)
        log_p = self.classifier.predict_log_proba(X)
        return pd.DataFrame(
            {
                "label": self.classifier.classes_[log_p.argmax(axis=1)],
                "probability": np.exp(log_p.max(axis=1)),
                "is_known": self.classifier.is_known(X),
            }
        )


def log(classifier: HierarchicalExpertsClassifier, name: str, options: dict[str, Any]) -> ModelInfo:
    """Log a classifier to the active run, with the signature of its inputs and answers.

    The input example is all zeros, so that no user's data are logged with a model.
    """
    zeros = np.zeros((1, classifier.n_features_in_))
    names = getattr(classifier, "feature_names_in_", None)
    columns = range(zeros.shape[1]) if names is None else names
    defaults: dict[str, Any] = {
        "signature": _signature(columns, classifier.classes_.dtype.kind),
        "input_example": zeros if names is None else pd.DataFrame(zeros, columns=names),
        "pip_requirements": [f"hpoe=={__version__}", "pandas"],
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.safetensors"
        classifier.save(path)
        logged: ModelInfo = mlflow.pyfunc.log_model(
            name=name,
            python_model=__file__,
            artifacts={"classifier": str(path)},
            **{**defaults, **options},
        )
    return logged


def _signature(names: Iterable[Any], label_kind: str) -> ModelSignature:
    """Columns of type double, to which MLflow converts other numbers; an array's would not."""
    label = {"i": DataType.long, "u": DataType.long, "b": DataType.boolean}
    answers = {
        "label": label.get(label_kind, DataType.string),
        "probability": DataType.double,
        "is_known": DataType.boolean,
    }
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.double, name) for name in names]),
        outputs=Schema([ColSpec(kind, name) for name, kind in answers.items()]),
    )


mlflow.models.set_model(ClassifierModel(HierarchicalExpertsClassifier()))
