"""Table 1's other methods, as scikit-learn estimators on pixels in [0, 1].

Hyperparameters were chosen on the validation half (docs/lab-notes.md). Shapes: N square images of
V pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC
from torch import Tensor, nn

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
MINIBATCH = 64
FITTED = ("coef_", "intercept_", "dual_coef_", "support_vectors_", "centres_", "gamma_")
"""Fitted attributes of linear classifiers, support vector machines and radial bases."""


@dataclass(frozen=True)
class Baseline:
    """A method of Table 1."""

    title: str
    published: float
    """The paper's test error in per cent."""
    make: Callable[[int], Any]
    """Makes the estimator from a seed."""


class RadialBasis(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn is untyped
    """Gaussians around the centres of k-means: [N, V] to activities [N, units]."""

    def __init__(self, units: int, width: float, seed: int) -> None:
        self.units = units
        self.width = width
        """Standard deviation of the Gaussians, in mean distances of an image from its centre."""
        self.seed = seed

    def fit(self, images: Images, labels: Labels | None = None) -> Self:  # noqa: ARG002
        """Find the centres."""
        means = MiniBatchKMeans(self.units, batch_size=4096, n_init=1, random_state=self.seed)
        distances = means.fit_transform(images).min(axis=1)
        self.centres_ = means.cluster_centers_
        self.gamma_ = 1 / (2 * (self.width * distances.mean()) ** 2)
        return self

    def transform(self, images: Images) -> NDArray[np.float64]:
        """Compute the units' activities, in float64 because their products are nearly singular."""
        centres = self.centres_.astype(np.float64)
        activities: NDArray[np.float64] = rbf_kernel(
            images.astype(np.float64), centres, self.gamma_
        )
        return activities


class ConvolutionalNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # untyped
    """A net of PyTorch layers, trained by Adam on the cross-entropy with a one-cycle schedule."""

    def __init__(
        self, layers: Callable[[], nn.Sequential], epochs: int, rate: float, seed: int
    ) -> None:
        self.layers = layers
        self.epochs = epochs
        self.rate = rate
        """Highest learning rate of the cycle."""
        self.seed = seed

    def fit(self, images: Images, labels: Labels) -> Self:
        """Train the net from new weights."""
        self.classes_ = np.unique(labels)
        targets = torch.from_numpy(np.searchsorted(self.classes_, labels))
        v = _squares(images)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net_ = self.layers()
            optimizer = torch.optim.Adam(self.net_.parameters())
            steps = self.epochs * -(-len(v) // MINIBATCH)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=steps)
            for _ in range(self.epochs):
                for some in torch.split(torch.randperm(len(v)), MINIBATCH):
                    optimizer.zero_grad()
                    loss = nn.functional.cross_entropy(self.net_(v[some]), targets[some])
                    torch.autograd.backward(loss)
                    optimizer.step()
                    schedule.step()
        return self

    def predict(self, images: Images) -> Labels:
        """Return the most probable classes."""
        with torch.no_grad():
            answers = [self.net_(part).argmax(1) for part in torch.split(_squares(images), 1000)]
        found: Labels = self.classes_[torch.cat(answers).numpy()]
        return found


class Shrunk(nn.Module):
    """Digits shrunk to 16/20 of their size, as LeNet-1 was given them; the image keeps its size."""

    def forward(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] to [N, 1, R, R]."""
        side = images.shape[-1]
        small = round(side * 16 / 20 / 2) * 2
        shrunk = nn.functional.interpolate(images, (small, small), mode="bilinear", antialias=True)
        return nn.functional.pad(shrunk, [(side - small) // 2] * 4)


def lenet1() -> nn.Sequential:
    """LeNet-1 for images of 28 x 28 pixels (LeCun et al., 1995), with rectified units."""
    return nn.Sequential(
        Shrunk(),
        *(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(4, 12, 5), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(12 * 4 * 4, 10)),
    )


def lenet5() -> nn.Sequential:
    """LeNet-5 for images of 28 x 28 pixels (LeCun et al., 1998), with rectified units."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def _squares(images: Images) -> Tensor:
    side = round(float(np.sqrt(images.shape[1])))
    return torch.from_numpy(images).reshape(-1, 1, side, side)


def parameters(fitted: Any) -> int:  # noqa: ANN401
    """Count the parameters of a fitted estimator."""
    if isinstance(fitted, Pipeline):
        return sum(parameters(step) for _, step in fitted.steps)
    if isinstance(fitted, ConvolutionalNet):
        return sum(part.numel() for part in fitted.net_.parameters())
    if isinstance(fitted, KNeighborsClassifier):
        return int(fitted.n_samples_fit_ * fitted.n_features_in_)
    found = [getattr(fitted, name, ()) for name in FITTED]
    found += [*getattr(fitted, "coefs_", ()), *getattr(fitted, "intercepts_", ())]
    return sum(int(np.size(array)) for array in found)


BASELINES: Mapping[str, Baseline] = {
    "linear": Baseline(
        "Linear classifier (logistic regression)",
        12.0,
        lambda _: LogisticRegression(C=0.3, tol=1e-3, max_iter=1000),
    ),
    "nearest_neighbours": Baseline(
        "3 nearest neighbours, Euclidean",
        5.0,
        lambda _: KNeighborsClassifier(3, algorithm="brute"),
    ),
    "radial_basis": Baseline(
        "1000 radial basis functions, linear classifier",
        3.6,
        lambda seed: make_pipeline(RadialBasis(1000, 1.0, seed), RidgeClassifier(1e-3)),
    ),
    "back_propagation": Baseline(
        "Back-propagation net, 500 and 150 hidden units",
        2.95,
        lambda seed: MLPClassifier((500, 150), early_stopping=True, random_state=seed),
    ),
    "support_vectors": Baseline(
        "Support vector machine, polynomial of degree 5",
        1.0,
        lambda _: make_pipeline(
            Normalizer(), SVC(C=1.0, kernel="poly", degree=5, gamma=16.0, coef0=1.0, cache_size=500)
        ),
    ),
    "lenet1": Baseline("LeNet-1", 1.7, lambda seed: ConvolutionalNet(lenet1, 15, 0.02, seed)),
    "lenet5": Baseline("LeNet-5", 0.95, lambda seed: ConvolutionalNet(lenet5, 15, 0.008, seed)),
}
