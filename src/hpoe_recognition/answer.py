"""The fields of the model's output."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """The model's answer for one image."""

    digit: int
    probability: float
    probabilities: list[float]
    """One per class, in ascending order of the labels."""
    typicality: float
    """Percentile, 0..100, of the image's goodness among held-out images of that digit."""
    looks_like_digit: bool
    digit_score: float
    """How much the image looks like a digit; `looks_like_digit` compares it with a threshold."""
