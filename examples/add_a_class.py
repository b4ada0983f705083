"""Classes that arrive one after another: only the new class's RBMs are trained."""

import sys
import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hpoe import HierarchicalExpertsClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
first = y < 2
model = HierarchicalExpertsClassifier((100, 100), random_state=1).fit(X[first], y[first])
errors, seconds = [], []
for digit in range(2, 10):
    start = time.perf_counter()
    model.add_class(X[y == digit], digit)
    seconds.append(time.perf_counter() - start)
    known = y_test <= digit
    errors.append(100 * (1 - model.score(X_test[known], y_test[known])))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.plot(range(3, 11), errors, marker="o")
left.set(xlabel="classes", ylabel="test error (%)", ylim=(0, None), xticks=range(3, 11))
right.bar(range(3, 11), seconds)
right.set(xlabel="classes, with the one added", ylabel="seconds to add it", xticks=range(3, 11))
figure.suptitle("Adding a digit takes as long as training one, however many there are")
figure.savefig(sys.argv[1], dpi=120)
