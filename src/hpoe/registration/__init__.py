"""Assembling, judging and registering the served model."""
