"""The packaged system: images in, digits with what the density models can say beside them.

Needs numpy and safetensors alone. Shapes: S versions, N images, V pixels, D digits, M models.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from hpoe_recognition.digit_score import DigitScore, Seen
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Network
from hpoe_recognition.normalization import (
    Offset,
    Versions,
    prepare,
    soft_choice,
    unit_interval,
)

IMAGES_AT_ONCE = 100
"""Images a pass: enough for the matrix products, few enough to stay in the processor's cache."""
NO_INK = -30.0
"""The digit score of a blank image."""
NETS = ("net", "validation_net")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """What is said of one image."""

    digit: int
    probability: float
    probabilities: list[float]
    """Of the digits, ascending."""
    typicality: float
    """Percentile, 0..100, of the image's goodness among held-out images of that digit."""
    looks_like_digit: bool
    digit_score: float
    """Log odds of being a digit at all; `looks_like_digit` says whether it reaches a threshold."""


@dataclass(frozen=True)
class System:
    """What the pipeline evaluates: networks' averaged scores, soft shifts, a logistic net."""

    digits: tuple[int, ...]
    networks: dict[str, Network]
    offsets: tuple[Offset, ...]
    """The versions of an image among which each model chooses."""
    temperature: float
    """Of that choice, nats."""
    net: LogisticNet
    validation_net: LogisticNet
    """Fitted without the validation half: what versions are compared with."""

    @property
    def network(self) -> Network:
        """The network whose models reconstruct images."""
        return next(iter(self.networks.values()))

    def seen(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images [N, rows, columns] as that network is given them."""
        return prepare(images, self.network.images)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Normalised goodness of images [N, rows, columns], nats, [N, M]."""
        parts = range(0, len(images), IMAGES_AT_ONCE)
        return np.concatenate([self._scores(images[at : at + IMAGES_AT_ONCE]) for at in parts])

    def see(self, images: NDArray[np.uint8], scores: NDArray[np.float64]) -> Seen:
        """What the digit score is made from, of images and their scores."""
        log_p = self.net.log_probabilities(scores)
        recognised = log_p.argmax(axis=1)
        v = unit_interval(self.seen(images))
        depths = (1, len(self.network.layers))
        pictures = np.empty((len(images), 1 + len(depths), v.shape[1]), np.float32)
        pictures[:, 0] = v
        for digit in np.unique(recognised):
            of = np.flatnonzero(recognised == digit)
            found = self.network.reconstruct(v[of], int(digit), depths)
            pictures[of, 1:] = found.swapaxes(0, 1)
        return Seen(pictures.reshape(len(images), -1, *images.shape[1:]), scores, log_p)

    def recognise(self, net: LogisticNet, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The digits that one of the nets takes images [N, rows, columns] for, [N]."""
        positions = net.log_probabilities(self.scores(images)).argmax(axis=1)
        digits: NDArray[np.int64] = np.array(self.digits)[positions]
        return digits

    def reconstructions(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image [rows, columns] as each digit's lowest layer sees it, [D, rows, columns]."""
        v = unit_interval(self.seen(image[None]))
        seen = [self.network.reconstruct(v, digit, (1,)) for digit in range(len(self.digits))]
        return np.rint(np.stack(seen) * 255).astype(np.uint8).reshape(-1, *image.shape)

    def _scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        goodness = np.mean(
            [self._goodness(network, images) for network in self.networks.values()], axis=0
        )
        return soft_choice(goodness.reshape(len(self.offsets), len(images), -1), self.temperature)

    def _goodness(self, network: Network, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Of all versions of the images, one after the other, under one network, nats, [S N, M]."""
        versions = Versions(network.images, self.offsets).of(images)
        return network.goodness(unit_interval(np.concatenate([*versions])))


@dataclass(frozen=True)
class Recogniser:
    """The system, able to say how typical an image is and whether it looks like a digit."""

    system: System
    typical: NDArray[np.float64]
    """Goodness of held-out images of each digit under its layer 1, ascending, nats, [D, K]."""
    digit_score: DigitScore

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a packaged recogniser."""
        arrays, record = load_package(path)
        nets = {
            name: LogisticNet(arrays[f"{name}/weights"], arrays[f"{name}/biases"]) for name in NETS
        }
        system = System(
            digits=tuple(record["digits"]),
            networks={
                name: Network.from_arrays(arrays, name, images)
                for name, images in record["networks"].items()
            },
            offsets=tuple((rows, columns) for rows, columns in record["offsets"]),
            temperature=record["temperature"],
            **nets,
        )
        return cls(system, arrays["typical"], DigitScore.from_arrays(arrays, "digit_score/"))

    def contents(self) -> tuple[Arrays, dict[str, object]]:
        """The arrays and the record that `load` reads."""
        system = self.system
        arrays: Arrays = {"typical": self.typical, **self.digit_score.to_arrays("digit_score/")}
        for name in NETS:
            net: LogisticNet = getattr(system, name)
            arrays |= {f"{name}/weights": net.weights, f"{name}/biases": net.biases}
        for name, network in system.networks.items():
            arrays |= network.to_arrays(name)
        record = {
            "digits": system.digits,
            "networks": {name: network.images for name, network in system.networks.items()},
            "offsets": system.offsets,
            "temperature": system.temperature,
        }
        return arrays, record

    def answer(self, images: NDArray[np.uint8]) -> list[Answer]:
        """Say of images [N, rows, columns] which digits they are, and whether they are."""
        seen = self.system.see(images, self.system.scores(images))
        digit_scores = np.where(images.any(axis=(1, 2)), self.digit_score(seen), NO_INK)
        typicality = self._typicality(seen)
        probabilities = np.exp(seen.log_probabilities)
        return [
            Answer(
                digit=self.system.digits[position],
                probability=float(p[position]),
                probabilities=p.tolist(),
                typicality=float(percentile),
                looks_like_digit=bool(score >= self.digit_score.threshold),
                digit_score=float(score),
            )
            for position, p, percentile, score in zip(
                seen.digits, probabilities, typicality, digit_scores, strict=True
            )
        ]

    def _typicality(self, seen: Seen) -> NDArray[np.float64]:
        """Percentiles of the images among held-out images of the digits they are taken for, [N]."""
        layers = len(self.system.network.layers)
        own = seen.goodness[np.arange(len(seen.digits)), seen.digits * layers]
        below = [
            np.searchsorted(self.typical[digit], g, side="right")
            for digit, g in zip(seen.digits, own, strict=True)
        ]
        percentiles: NDArray[np.float64] = 100.0 * np.array(below) / self.typical.shape[1]
        return percentiles


def load_package(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read the arrays of a package's weights file, and the record beside them."""
    with safe_open(path, framework="np") as file:
        record = json.loads(file.metadata()["hpoe"])
        return {name: file.get_tensor(name) for name in file.keys()}, record  # noqa: SIM118
