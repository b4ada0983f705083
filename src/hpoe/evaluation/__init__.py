"""Scoring images, fitting classifiers on the scores, measuring and drawing errors."""
