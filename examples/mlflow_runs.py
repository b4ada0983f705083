"""Classifiers as MLflow runs: params and errors side by side, the best one loaded again."""

import sys
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hpoe import HierarchicalExpertsClassifier

X, y = load_digits(return_X_y=True)
X, X_valid, y, y_valid = train_test_split(X / 16, y, random_state=0)
with TemporaryDirectory() as folder:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("digits", artifact_location=folder)
    mlflow.set_experiment("digits")
    models = {}
    for units in ((25,), (100,), (100, 100)):
        with mlflow.start_run(run_name="-".join(map(str, units))) as run:
            classifier = HierarchicalExpertsClassifier(units, random_state=1).fit(X, y)
            mlflow.log_params(classifier.get_params())
            mlflow.log_metric("error", 100 * (1 - classifier.score(X_valid, y_valid)))
            models[run.info.run_id] = classifier.log_model("classifier").model_uri
    runs = mlflow.search_runs(order_by=["metrics.error"])
    best = mlflow.pyfunc.load_model(models[runs["run_id"][0]])
    answers = best.predict(X_valid[:8])

figure, axes = plt.subplot_mosaic("aa0123;aa4567", figsize=(9, 3.6), layout="constrained")
axes["a"].barh(runs["tags.mlflow.runName"], runs["metrics.error"])
axes["a"].set(xlabel="validation error (%)", ylabel="hidden units")
for position, answer in answers.iterrows():
    axes[str(position)].imshow(X_valid[position].reshape(8, 8), cmap="gray")
    axes[str(position)].set_title(f"{answer['label']}: {answer['probability']:.0%}")
    axes[str(position)].axis("off")
figure.suptitle("Three runs in MLflow, and answers of the best one's logged model")
figure.savefig(sys.argv[1], dpi=120)
