"""What the hidden units of an RBM respond to: their weights, as images."""

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from hpoe import BernoulliRBM

X = load_digits().data / 16
rbm = BernoulliRBM(40, n_iter=40, persistent=False, momentum=0.9, random_state=1).fit(X)

figure, axes = plt.subplots(4, 10, figsize=(8, 3.6), layout="constrained")
for axis, weights in zip(axes.flat, rbm.components_, strict=True):
    axis.imshow(weights.reshape(8, 8), cmap="RdBu_r", vmin=-3, vmax=3)
    axis.set_axis_off()
figure.suptitle("Each hidden unit looks for strokes in some places and their absence in others")
figure.savefig(sys.argv[1], dpi=120)
