"""The examples of the estimators: in docs/library.md and in the docstrings."""

import doctest
import re
from pathlib import Path

import pytest

from hpoe.estimators import classifier, joint, rbm

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["docs/index.md", "docs/library.md"])
def test_the_pages_of_the_library_run_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        exec(block, found)  # noqa: S102
    assert float(str(found["accuracy"])) > 0.9


@pytest.mark.parametrize("module", [rbm, classifier, joint], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_print_what_they_show(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
