"""A grid search over an RBM and the classifier on its features."""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from hpoe import BernoulliRBM

X, y = load_digits(return_X_y=True)
pipeline = make_pipeline(BernoulliRBM(random_state=1), LogisticRegression(max_iter=1000))
grid = {"bernoullirbm__n_components": [10, 30, 100], "bernoullirbm__n_iter": [2, 5, 15]}
search = GridSearchCV(pipeline, grid, cv=2).fit(X / 16, y)

accuracy = 100 * search.cv_results_["mean_test_score"].reshape(3, 3)
figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.imshow(accuracy, cmap="viridis")
for row, column in np.ndindex(3, 3):
    shade = "white" if accuracy[row, column] < accuracy.mean() else "black"
    axis.text(column, row, f"{accuracy[row, column]:.1f} %", ha="center", va="center", color=shade)
axis.set_xticks(range(3), grid["bernoullirbm__n_iter"])
axis.set_yticks(range(3), grid["bernoullirbm__n_components"])
axis.set(xlabel="passes", ylabel="hidden units", title="Accuracy in 2-fold cross-validation")
figure.savefig(sys.argv[1], dpi=120)
