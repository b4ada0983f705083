"""The documents: what they link to exists, and what they claim is what was measured."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from hpoe.cli import app
from hpoe.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    missing = [
        link
        for link in links
        if not link.startswith("http") and not (document.parent / link).exists()
    ]
    assert missing == []


def test_the_readmes_results_are_the_committed_metrics() -> None:
    metrics = json.loads((ROOT / "reports/metrics.json").read_text())
    shifts = json.loads((ROOT / "reports/shift_normalization.json").read_text())
    rows = [
        metrics["default"]["logistic_regression"],
        metrics["default"]["gradient_ascent"],
        shifts["maximum"],
        shifts["soft"],
    ]
    text = (ROOT / "README.md").read_text()
    for row in rows:
        cells = [row["validation_error_rate"], row["test_error_rate"]]
        interval = [row["test_error_rate_low"], row["test_error_rate_high"]]
        shown = [f"{rate * 100:.2f} %" for rate in cells]
        assert " | ".join([*shown, " to ".join(f"{r * 100:.2f} %" for r in interval)]) in text
    assert f"temperature {shifts['soft']['temperature']:g} |" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    text = document.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(?:\w+=\S+ )?make ([a-z-]+)`", text)) <= set(targets)
    commands = getattr(get_command(app), "commands")  # noqa: B009 - click's type does not say
    assert set(re.findall(r"`hpoe ([a-z-]+)", text)) <= set(commands)


def test_the_table_of_settings_has_all_there_are_for_users() -> None:
    internal = {"restore_only", "tracking_uri"}
    fields = {f"HPOE_{name.upper()}" for name in Settings.model_fields if name not in internal}
    assert (
        set(re.findall(r"^\| `(HPOE_\w+)`", (ROOT / "docs/settings.md").read_text(), re.M))
        == fields
    )
