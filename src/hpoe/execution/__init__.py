"""A pipeline's run: stages, sweeps, checkouts and summaries."""
