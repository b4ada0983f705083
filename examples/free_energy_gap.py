"""Overfitting, seen without log Z: the gap of free energy between training and held-out data."""

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from hpoe import BernoulliRBM

X = load_digits().data / 16
X_valid = X[1000:]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for count in (50, 200, 1000):
    rbm = BernoulliRBM(100, n_iter=60, persistent=False, momentum=0.9, random_state=1)
    rbm.fit(X[:count], X_valid=X_valid)
    axis.plot(rbm.history_["free_energy_gap"], label=f"{count} training images")
axis.set_xlabel("pass over the training data")
axis.set_ylabel("log likelihood of training images\nminus that of held-out images (nats)")
axis.set_title("An RBM with few images learns them by heart, and the gap shows it")
axis.legend()
figure.savefig(sys.argv[1], dpi=120)
