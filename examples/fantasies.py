"""What an RBM believes in: samples, which are not in the training data."""

import sys

import matplotlib.pyplot as plt
from scipy.special import expit
from sklearn.datasets import load_digits

from hpoe import BernoulliRBM

X, y = load_digits(return_X_y=True)
X = X / 16
figure, axes = plt.subplots(4, 10, figsize=(8, 3.6), layout="constrained")
for digit, column in zip(range(10), axes.T, strict=True):
    own = X[y == digit]
    rbm = BernoulliRBM(60, learning_rate=0.05, random_state=1)
    rbm.set_params(n_iter=80, learning_rate_schedule="constant_then_linear").fit(own)
    samples = rbm.sample(2, n_gibbs_steps=200)
    expected = expit(rbm.transform(samples) @ rbm.components_ + rbm.intercept_visible_)
    for axis, image in zip(column, [*own[:2], *expected], strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
figure.suptitle("Two training images of each digit, and two samples of the digit's RBM")
figure.savefig(sys.argv[1], dpi=120)
