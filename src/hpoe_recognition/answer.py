"""The fields of the model's output."""

from dataclasses import dataclass

CONTRACT = 2
"""The version of these fields. A package records it; the first versions recorded none."""


@dataclass(frozen=True)
class Answer:
    """The model's answer for one image."""

    label: str
    """The recognised class, also where the image is of no known class."""
    probability: float
    """Of that class, given that the image is of a known class."""
    probabilities: dict[str, float]
    """Of every class, by label, in the order of the classes."""
    typicality: float
    """Percentile, 0..100, of the image's goodness among held-out images of that class."""
    is_known: bool
    known_score: float
    """How much it looks like images of known classes; `is_known` compares it with a threshold."""
