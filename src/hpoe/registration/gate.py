"""The gate: whether a candidate may become the champion."""

from dataclasses import dataclass

import pandas as pd

from hpoe.errors import RegistryError
from hpoe.evaluation.measures import mcnemar
from hpoe.labels import in_order


@dataclass(frozen=True)
class Verdict:
    """A candidate compared with the champion on the same validation images."""

    passes: bool
    reason: str
    """Why the champion stays or is replaced, one clause."""
    only_candidate_wrong: int = 0
    only_champion_wrong: int = 0
    p: float = 1.0
    """Probability of so many errors of the candidate alone if the two were equally good."""


def judge(candidate: pd.DataFrame, champion: pd.DataFrame, significance: float) -> Verdict:
    """Decide by McNemar's one-sided exact test whether the candidate is significantly worse.

    A candidate that lacks one of the champion's classes does not pass either.

    Args:
        candidate: columns image (its digest), label, prediction of validation images.
        champion: the same columns; only images in both tables count.
        significance: the probability p below which the candidate is worse, in (0, 1).

    Raises:
        RegistryError: the two have no validation image in common.
    """
    lost = in_order(set(champion["label"]) - set(candidate["label"]))
    if lost:
        return Verdict(False, f"only the champion knows the classes {', '.join(lost)}")
    key = ["image", "label"]
    both = candidate.drop_duplicates(key).merge(
        champion.drop_duplicates(key), on=key, suffixes=("", "_champion")
    )
    if both.empty:
        raise RegistryError(
            "candidate and champion were validated on different images: compare them by hand, then "
            "`hpoe promote VERSION`"
        )
    wrong, champion_wrong = (
        both[name] != both["label"] for name in ("prediction", "prediction_champion")
    )
    only_candidate, only_champion, p = mcnemar(wrong, champion_wrong, alternative="greater")
    passes = p >= significance
    reason = (
        f"the candidate is {'not ' if passes else ''}significantly worse: it alone misclassifies "
        f"{only_candidate} validation images, the champion alone {only_champion} (p = {p:.3g})"
    )
    return Verdict(passes, reason, only_candidate, only_champion, p)
