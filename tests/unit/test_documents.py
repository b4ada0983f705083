"""The documents: links lead to files, commands exist, and the results are those committed."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hpoe.cli import app
from hpoe.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
CURRENT = [each for each in DOCUMENTS if each.name not in ("CHANGELOG.md", "lab-notes.md")]
"""The documents that are not about the past."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    missing = [
        link
        for link in links
        if not link.startswith("http") and not (document.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.name)
def test_files_and_tests_that_are_named_exist(document: Path) -> None:
    text = document.read_text()
    files = re.findall(r"`((?:src|tests|pipelines|docker|benchmarks)/[\w/.]+\.\w+)`", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests] == []


def committed(name: str) -> Any:
    """The JSON of a report as committed; `make repro` rewrites it with this processor's results."""
    if not (ROOT / ".git").exists():
        pytest.skip("outside a git clone there is no committed version to compare with")
    show = ["git", "show", f"HEAD:{name}"]
    return json.loads(subprocess.run(show, cwd=ROOT, capture_output=True, check=True).stdout)


def test_the_readmes_results_are_the_committed_reports() -> None:
    metrics = committed("reports/metrics.json")["default"]
    shifts = committed("reports/shift_normalization.json")
    text = (ROOT / "README.md").read_text()
    for row in (
        metrics["logistic_regression"],
        metrics["gradient_ascent"],
        shifts["maximum"],
        shifts["soft"],
    ):
        validation, test, low, high = (
            f"{row[name] * 100:.2f} %"
            for name in (
                "validation_error_rate",
                "test_error_rate",
                "test_error_rate_low",
                "test_error_rate_high",
            )
        )
        assert f"| {validation} | {test} | {low} to {high} |" in text
    assert re.search(rf"temperature {shifts['soft']['temperature']:g}\b", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    text = document.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(?:\w+=\S+ )?make ([a-z-]+)`", text)) <= set(targets)
    commands = getattr(get_command(app), "commands")  # noqa: B009 - click's type does not say
    assert set(re.findall(r"`hpoe ([a-z][a-z-]*)", text)) <= set(commands)


def test_the_documented_settings_are_all_there_are_for_users() -> None:
    internal = {"restore_only", "tracking_uri"}
    fields = {f"HPOE_{name.upper()}" for name in Settings.model_fields if name not in internal}
    texts = [document.read_text() for document in DOCUMENTS]
    rows = {row for text in texts for row in re.findall(r"^\| `(HPOE_\w+)`", text, re.MULTILINE)}
    assert rows == fields


PROGRAMS = "make|dvc|hpoe|mlflow|python|pip|docker|curl|git|source|ray|cp|export|sha256sum"
COMMANDS = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) |^IMAGE=", re.MULTILINE)


def fenced(document: Path) -> Iterator[tuple[str, str]]:
    """Each fenced block of a document, after the line before it."""
    before, block, is_inside = "", "", False
    for line in document.read_text().splitlines():
        if line.startswith("```"):
            if is_inside:
                yield before, block
            before, block, is_inside = "" if is_inside else before, "", not is_inside
        elif is_inside:
            block += f"{line}\n"
        else:
            before = line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_run_by_a_test_or_marked_as_not(document: Path) -> None:
    """By a comment before its block, which nobody sees on the rendered page."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for before, block in fenced(document):
        if COMMANDS.search(block):
            mark = re.fullmatch(r"<!-- (run by|not run:) (.+) -->", before)
            assert mark, f"{document.name}: {block}"
            assert mark[1] == "not run:" or f"def {mark[2]}(" in tests
