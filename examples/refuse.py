"""Refusing what is none of the classes: zeros, to a model that has never seen one."""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from hpoe import HierarchicalExpertsClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
model = HierarchicalExpertsClassifier((100, 100), random_state=1).fit(X[y > 0], y[y > 0])
scores = model.known_score(X_test)
auroc = roc_auc_score(y_test > 0, scores)

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
bins = np.linspace(max(scores.min(), -15), scores.max(), 50)
axis.hist(scores[y_test > 0], bins, density=True, alpha=0.6, label="test images of 1 to 9")
axis.hist(scores[y_test == 0], bins, density=True, alpha=0.6, label="zeros, never seen")
axis.axvline(model.typical_.threshold, color="black", linestyle="--", label="refused below")
axis.set(xlabel="goodness, in standard deviations of the predicted class", ylabel="density")
axis.set_title(f"A digit that was never seen is unusual (AUROC {auroc:.3f})")
axis.legend()
figure.savefig(sys.argv[1], dpi=120)
