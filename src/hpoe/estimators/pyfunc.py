"""A classifier as an MLflow pyfunc; MLflow runs this file to load a logged model."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from hpoe.estimators.classifier import HierarchicalExpertsClassifier


class ClassifierModel(PythonModel):
    """Answers one row of features with one row: label, probability, and whether it is known."""

    def __init__(self, classifier: HierarchicalExpertsClassifier) -> None:
        self.classifier = classifier

    def load_context(self, context: Any) -> None:  # noqa: ANN401
        """Read the classifier from the model's artifacts."""
        path = Path(context.artifacts["classifier"])
        self.classifier = HierarchicalExpertsClassifier.load(path)

    def predict(
        self,
        context: Any,  # noqa: ANN401
        model_input: pd.DataFrame | np.ndarray[Any, Any],
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify samples of shape (n_samples, n_features), given as an array or a data frame."""
        log_p = self.classifier.predict_log_proba(model_input)
        return pd.DataFrame(
            {
                "label": self.classifier.classes_[log_p.argmax(axis=1)],
                "probability": np.exp(log_p.max(axis=1)),
                "is_known": self.classifier.is_known(model_input),
            }
        )


mlflow.models.set_model(ClassifierModel(HierarchicalExpertsClassifier()))
