"""What the report's sections share: Markdown tables, means with ranges, tests of differences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpoe.evaluation import measures


def mcnemar(predictions: pd.DataFrame, before: str, after: str) -> float:
    """Return McNemar's two-sided p for two columns of predictions on the test images."""
    test = predictions[predictions["set"] == "test"]
    wrong_before, wrong_after = (test[column] != test["label"] for column in (before, after))
    return measures.mcnemar(wrong_before, wrong_after)[2]


def spread_of(values: Sequence[float]) -> str:
    """Mean of some values, and their range."""
    return spread(float(np.mean(values)), min(values), max(values))


def spread(mean: float, least: float, most: float) -> str:
    """A mean, and the range in brackets if there is one."""
    if least == most:
        return f"{mean:.2f}" if mean < 1000 else f"{mean:,.0f}"
    return f"{mean:.2f} ({least:.2f} to {most:.2f})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    rule = ["---:" if at in numbers else "---" for at in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))
