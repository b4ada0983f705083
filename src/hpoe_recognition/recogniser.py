"""The packaged system: images in, labels out, with the density models' judgement of them.

Needs numpy and safetensors alone. Shapes: S versions, N images of R rows and C columns or V pixels,
D classes, M models.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from hpoe_recognition.answer import CONTRACT, Answer
from hpoe_recognition.arrays import from_arrays, to_arrays
from hpoe_recognition.formats import Format
from hpoe_recognition.known_score import Evidence, KnownScore
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Network
from hpoe_recognition.normalization import Offset, Versions, prepare, soft_choice, unit_interval

BATCH = 100
"""Images scored at once: enough for the matrix products, few enough for the processor's cache."""
NO_INK = -30.0
"""The known score of a blank image, all of whose pixels are equal."""
NETS = ("net", "validation_net")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class System:
    """What the pipeline evaluates: networks' averaged scores, soft shifts, a logistic net."""

    labels: tuple[str, ...]
    """The classes that the system was trained on, in natural order."""
    format: Format
    """Of the images that it is given."""
    networks: dict[str, Network]
    offsets: tuple[Offset, ...]
    """The versions of an image among which each model chooses."""
    temperature: float
    """Temperature of that choice, nats."""
    net: LogisticNet
    validation_net: LogisticNet
    """Fitted without the validation half; versions are compared by its predictions."""

    @property
    def network(self) -> Network:
        """The network that reconstructs images."""
        return next(iter(self.networks.values()))

    def network_input(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Prepare images [N, rows, columns] as that network is given them."""
        return prepare(images, self.network.images)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the normalised goodness of images [N, rows, columns], nats, [N, M]."""
        batches = range(0, len(images), BATCH)
        return np.concatenate([self._scores(images[first : first + BATCH]) for first in batches])

    def evidence(self, images: NDArray[np.uint8]) -> Evidence:
        """Compute the evidence on images [N, rows, columns]."""
        return self.evidence_from(images, self.scores(images))

    def evidence_from(
        self,
        images: NDArray[np.uint8],
        scores: NDArray[np.float64],
        withheld: NDArray[np.int64] | None = None,
    ) -> Evidence:
        """Compute the evidence on images [N, rows, columns] with scores [N, M].

        With positions `withheld` [N], each image is judged as if that class were not known.
        """
        log_p = self.net.log_probabilities(scores)
        if withheld is not None:
            log_p[np.arange(len(log_p)), withheld] = -np.inf
            log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
        recognised = log_p.argmax(axis=1)
        v = unit_interval(self.network_input(images))
        depths = (1, len(self.network.layers))
        pictures = np.empty((len(images), 1 + len(depths), v.shape[1]), np.float32)
        pictures[:, 0] = v
        for position in np.unique(recognised):
            rows = np.flatnonzero(recognised == position)
            found = self.network.reconstruct(v[rows], int(position), depths)
            pictures[rows, 1:] = found.swapaxes(0, 1)
        return Evidence(pictures.reshape(len(images), -1, *images.shape[1:]), scores, log_p)

    def recognise(self, net: LogisticNet, images: NDArray[np.uint8]) -> list[str]:
        """Return the labels that one of the nets recognises in images [N, rows, columns]."""
        positions = net.log_probabilities(self.scores(images)).argmax(axis=1)
        return [self.labels[position] for position in positions]

    def reconstructions(
        self, image: NDArray[np.uint8], positions: Iterable[int]
    ) -> NDArray[np.uint8]:
        """Reconstruct an image [R, C] by the lowest layers of P classes, [P, R, C]."""
        v = unit_interval(self.network_input(image[None]))
        every = [self.network.reconstruct(v, position, (1,)) for position in positions]
        return np.rint(np.stack(every) * 255).astype(np.uint8).reshape(-1, *image.shape)

    def _scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        goodness = np.mean(
            [self._goodness(network, images) for network in self.networks.values()], axis=0
        )
        return soft_choice(goodness.reshape(len(self.offsets), len(images), -1), self.temperature)

    def _goodness(self, network: Network, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the goodness of all versions, one after another, under a network, [S N, M]."""
        versions = Versions(network.images, self.offsets).of(images)
        return network.goodness(unit_interval(np.concatenate([*versions])))


@dataclass(frozen=True)
class Recogniser:
    """A system with typicality, a score of being of a known class, and examples."""

    system: System
    typical: NDArray[np.float64]
    """Goodness of held-out images of each class under its layer 1, ascending, nats, [D, K]."""
    known_score: KnownScore
    examples: NDArray[np.uint8]
    """A typical image of each class, to be shown beside its label, [D, R, C]."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a packaged recogniser.

        Raises:
            ValueError: its answers are of another contract.
        """
        with safe_open(path, framework="np") as file:
            record = json.loads(file.metadata()["hpoe"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        contract = record.get("contract", 1)
        if contract != CONTRACT:
            raise ValueError(f"its answers are of contract {contract}, not {CONTRACT}")
        system = System(
            labels=tuple(record["labels"]),
            format=Format(**record["image_format"]),
            networks={
                name: Network.from_arrays(arrays, name, images)
                for name, images in record["networks"].items()
            },
            offsets=tuple((rows, columns) for rows, columns in record["offsets"]),
            temperature=record["temperature"],
            **{name: from_arrays(LogisticNet, arrays, f"{name}/") for name in NETS},
        )
        return cls(
            system=system,
            typical=arrays["typical"],
            known_score=from_arrays(KnownScore, arrays, "known_score/"),
            examples=arrays["examples"],
        )

    def contents(self) -> tuple[Arrays, dict[str, object]]:
        """Return the arrays and the record that `load` reads."""
        system = self.system
        arrays: Arrays = {"typical": self.typical, "examples": self.examples}
        arrays |= to_arrays(self.known_score, "known_score/")
        for name in NETS:
            arrays |= to_arrays(getattr(system, name), f"{name}/")
        for name, network in system.networks.items():
            arrays |= network.to_arrays(name)
        record = {
            "contract": CONTRACT,
            "labels": system.labels,
            "image_format": asdict(system.format),
            "networks": {name: network.images for name, network in system.networks.items()},
            "offsets": system.offsets,
            "temperature": system.temperature,
        }
        return arrays, record

    def answer(self, images: NDArray[np.uint8]) -> list[Answer]:
        """Say of which classes images [N, rows, columns] are, and whether of a known one at all."""
        evidence = self.system.evidence(images)
        scores = np.where(np.ptp(images, axis=(1, 2)) > 0, self.known_score(evidence), NO_INK)
        return [
            Answer(
                label=self.system.labels[position],
                probability=float(p[position]),
                probabilities=dict(zip(self.system.labels, p.tolist(), strict=True)),
                typicality=float(percentile),
                is_known=bool(score >= self.known_score.threshold),
                known_score=float(score),
            )
            for position, p, percentile, score in zip(
                evidence.positions,
                np.exp(evidence.log_probabilities),
                self._typicality(evidence),
                scores,
                strict=True,
            )
        ]

    def _typicality(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the images' percentiles among held-out images of the recognised classes, [N]."""
        n_layers = len(self.system.network.layers)
        positions = evidence.positions
        own = evidence.goodness[np.arange(len(positions)), positions * n_layers]
        below = [
            np.searchsorted(self.typical[position], g, side="right")
            for position, g in zip(positions, own, strict=True)
        ]
        percentiles: NDArray[np.float64] = 100.0 * np.array(below) / self.typical.shape[1]
        return percentiles
