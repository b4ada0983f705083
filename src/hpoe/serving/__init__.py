"""The HTTP server of `hpoe serve`, and the scoring of files."""
