"""A classifier as an MLflow pyfunc; MLflow runs this file to load a logged model."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

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


mlflow.models.set_model(ClassifierModel(HierarchicalExpertsClassifier()))
