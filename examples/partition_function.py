"""Annealing towards log Z: more temperatures bring both bounds to the exact value."""

import sys
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from hpoe import BernoulliRBM

X = load_digits().data / 16
rbm = BernoulliRBM(n_components=18, n_iter=60, random_state=1).fit(X)
exact = float(rbm.log_partition("exact"))
steps = [10, 30, 100, 300, 1000]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # few temperatures leave few effective chains
    found = [rbm.log_partition("bounds", n_temperatures=count) for count in steps]

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.axhline(exact, color="black", label="exact, over 262,144 states")
axis.plot(steps, [float(each) for each in found], marker="o", label="annealed estimate")
axis.fill_between(
    steps,
    [each.lower for each in found],
    [each.upper for each in found],
    alpha=0.3,
    label="stochastic bounds",
)
axis.set(xscale="log", xlabel="temperatures", ylabel="log Z (nats)")
axis.set_title("Annealing from both sides encloses log Z")
axis.legend()
figure.savefig(sys.argv[1], dpi=120)
