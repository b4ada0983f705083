"""A working folder with a pipeline's sources."""

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a pipeline's sources, below no repository."""
    root = tmp_path / "project"
    for name, text in (
        ("dvc.yaml", "stages: {}\n"),
        ("params.yaml", "seed: 1\n"),
        ("README.md", "read me\n"),
        ("pipelines/split.py", "print('split')\n"),
        ("src/hpoe/method/rbm.py", "weights = 1\n"),
        ("src/hpoe/data/idx.py", "images = 1\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return root
