"""Hierarchical products of experts (Mayraz and Hinton, 2002), from raw images to tracked runs.

The estimators are loaded, with PyTorch, when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpoe.estimators import BernoulliRBM as BernoulliRBM
    from hpoe.estimators import HierarchicalExpertsClassifier as HierarchicalExpertsClassifier
    from hpoe.estimators import JointRBM as JointRBM

__version__ = "0.1.0"
__all__ = ["BernoulliRBM", "HierarchicalExpertsClassifier", "JointRBM"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("hpoe.estimators"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
