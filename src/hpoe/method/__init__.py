"""The mathematics of the paper, in numpy and torch alone."""
