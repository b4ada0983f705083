"""The examples of the estimators: in docs/library.md and in the docstrings."""

import doctest
import re
from pathlib import Path

import pytest

from hpoe.estimators import classifier, joint, rbm

ROOT = Path(__file__).parents[3]


def test_the_page_of_the_library_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/library.md").read_text()
    found: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, found)  # noqa: S102
    assert float(str(found["accuracy"])) > 0.9
    assert (tmp_path / "digits.safetensors").is_file()


@pytest.mark.parametrize("module", [rbm, classifier, joint], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_print_what_they_show(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
