"""Hierarchical products of experts (Mayraz and Hinton, 2002), from raw images to tracked runs."""

__version__ = "0.1.0"
