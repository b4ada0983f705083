"""Beside scikit-learn's BernoulliRBM: exact log likelihoods of held-out images."""

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM as Reference

from hpoe import BernoulliRBM

PASSES = (1, 2, 4, 8)

X = load_digits().data / 16
X, X_valid = X[:1200], X[1200:]
estimators = {
    "scikit-learn": Reference(16, learning_rate=0.05, random_state=1),
    "hpoe, persistent chains": BernoulliRBM(16, learning_rate=0.05, random_state=1),
    "hpoe, CD-1 with momentum": BernoulliRBM(
        16, learning_rate=0.05, persistent=False, momentum=0.5, random_state=1
    ),
}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
judge = BernoulliRBM(16, n_iter=0).fit(X)
for name, estimator in estimators.items():
    curve = []
    for n_iter in PASSES:
        estimator.set_params(n_iter=n_iter).fit(X)
        for part in ("components_", "intercept_visible_", "intercept_hidden_"):
            setattr(judge, part, getattr(estimator, part).astype("float32"))
        curve.append(judge.score(X_valid) - float(judge.log_partition("exact")))
    axis.plot(PASSES, curve, marker="o", label=name)
axis.set(xlabel="passes over the training data", ylabel="log likelihood (nats per image)")
axis.set_title("The same model, judged with its exact log Z")
axis.legend()
figure.savefig(sys.argv[1], dpi=120)
