"""Estimators with scikit-learn's interface, for numpy arrays and without files."""

from hpoe.estimators.classifier import HierarchicalExpertsClassifier
from hpoe.estimators.joint import JointRBM
from hpoe.estimators.rbm import BernoulliRBM

__all__ = ["BernoulliRBM", "HierarchicalExpertsClassifier", "JointRBM"]
