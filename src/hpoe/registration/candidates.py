"""Registering a trained system from its files: as the candidate, then as champion if it passes."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.data.split import load_class
from hpoe.errors import RegistryError
from hpoe.registration.gate import judge
from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from hpoe_recognition.images import base64_png
from hpoe_recognition.recogniser import Recogniser

IMAGES_PER_CALL = 500
"""Validation images per request to a worker process."""
IMAGES_TO_ANSWER = 100
"""Number of validation images for which the package's full answers are checked."""


@dataclass(frozen=True)
class Candidate:
    """A system, and how it recognised the validation images when it was evaluated."""

    recogniser: Recogniser
    validation: pd.DataFrame
    """Columns image (a digest), label, prediction."""
    images: NDArray[np.uint8]
    """The validation images, in the order of the rows."""

    @classmethod
    def load(cls, recogniser: Path, predictions: Path, split: Path) -> Self:
        """Read a candidate from the files of the stages that made it.

        Raises:
            RegistryError: the system's answers are of another contract.
        """
        try:
            system = Recogniser.load(recogniser)
        except ValueError as error:
            raise RegistryError(
                f"{recogniser} was made by another version of hpoe ({error}): run `dvc repro`"
            ) from None
        images = np.concatenate(
            [load_class(split, label).validation for label in system.system.labels]
        )
        validation = pd.read_parquet(predictions).query("set == 'validation'")
        return cls(system, validation.assign(image=[*map(_digest, images)]), images)

    def register(
        self,
        registry: Registry,
        run_id: str,
        tags: dict[str, str],
        significance: float,
        workers: int,
        say: Callable[[str], None],
    ) -> None:
        """Register it as the candidate, and let the gate decide whether it is the champion.

        Args:
            registry: gets the new version.
            run_id: MLflow's id of the run that made it.
            tags: of the version.
            significance: level of the gate's test.
            workers: processes that check the package.
            say: reports what was decided.

        Raises:
            RegistryError: the package answers otherwise than the system; no version remains.
        """
        example = base64_png(self.images[0])
        version = registry.add(run_id, self.recogniser, self.validation, example, tags)
        say(f"{registry.name} version {version} registered as the candidate")
        try:
            with closing(Package(registry, version, workers)) as package:
                self._check(package)
        except RegistryError:
            registry.withdraw(version)
            raise
        champion = registry.champion()
        validated = None if champion is None else registry.validation(champion)
        if champion is not None and validated is None:
            say(f"version {champion}, packaged by an earlier hpoe, can no longer be served")
        elif validated is not None:
            verdict = judge(self.validation, validated, significance)
            if not verdict.passes:
                say(f"version {champion} stays the champion: {verdict.reason}")
                return
            say(f"compared with version {champion}, {verdict.reason}")
        registry.promote(version)
        say(f"version {version} is the champion: `hpoe serve` serves it")

    def _check(self, package: Package) -> None:
        """Let the package recognise the validation images, with its own code."""
        texts = [base64_png(image) for image in self.images]
        parts = [texts[at : at + IMAGES_PER_CALL] for at in range(0, len(texts), IMAGES_PER_CALL)]
        recognised = [*chain(*package.ask("validation_labels", parts))]
        few = slice(None, None, max(1, len(texts) // IMAGES_TO_ANSWER))
        answers = package.submit("answers", texts[few]).result()
        system = self.recogniser.system
        expected = system.recognise(system.net, self.images[few])
        evaluated = self.validation["prediction"]
        differing = sum(a != b for a, b in zip(recognised, evaluated, strict=True))
        differing += sum(a.get("label") != b for a, b in zip(answers, expected, strict=True))
        if differing:
            raise RegistryError(
                f"the package of version {package.version} classifies {differing} validation "
                "images differently from the evaluation: it is withdrawn; run `dvc repro --force "
                "register`"
            )


def _digest(image: NDArray[np.uint8]) -> int:
    """Return 64 bits that identify an image, wherever it is among the data, as a signed integer."""
    return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:8], "big", signed=True)
