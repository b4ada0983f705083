"""The replication's results, claims and report, on made-up results whose answers are known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from scipy.stats import binom

from hpoe.errors import ReplicationError
from hpoe.paper.replication import COPIES, DESKEWED, experiments
from hpoe.paper.report import markdown, write_report
from hpoe.paper.report.claims import claims
from hpoe.paper.report.measurements import AVERAGE, PAPER, largest_p, parameters
from hpoe.paper.results import (
    DIGESTS,
    FORMAT,
    NETWORKS,
    PREDICTIONS,
    RESULTS,
    SECONDS,
    SEED_FILES,
    Kept,
    load_results,
)
from hpoe.params import Network, load_params

ROOT = Path(__file__).parents[3]
SOURCES = (*NETWORKS, AVERAGE)


def rates(per_cent: float) -> dict[str, float]:
    rate = per_cent / 100
    test = {f"test_error_rate{end}": rate for end in ("", "_low", "_high")}
    return {"validation_error_rate": rate, **test}


def choices(per_cent: float) -> dict[str, Any]:
    return {
        "as_given": rates(per_cent),
        "maximum": rates(0.8 * per_cent),
        "soft": {"temperature": 5.0, **rates(0.7 * per_cent)},
    }


def keep(root: Path, seed: int, more: float = 0.0) -> Path:
    """Results whose errors are the paper's, and a little more; averages are 0.1 lower."""
    of = {**PAPER, AVERAGE: PAPER["h500"] - 0.1}
    nets = {"logistic_regression": 0.0, "gradient_ascent": 0.0, "two_layers": 0.3, "one_layer": 0.5}
    errors = {
        name: {net: rates(of[name] + more + worse) for net, worse in nets.items()}
        for name in SOURCES
    }
    shifts = {
        name: {**choices(of[name]), "seven_or_nine": choices(of[name] / 2)} for name in SOURCES
    }
    columns = [f"{name}{choice}" for name in SOURCES for choice in ("", "_maximum", "_soft")]
    images = pd.DataFrame({"set": "test", "index": range(8), "label": [7, 9] * 4})
    predictions = images.assign(**dict.fromkeys(columns, images["label"]))
    pair = root / RESULTS / f"seven_or_nine{seed}"
    folder = root / RESULTS / f"seed{seed}"
    for each in (pair, folder):
        each.mkdir(parents=True)
        (each / "results.json").write_text(json.dumps({"format": FORMAT, "seed": seed}))
    predictions.to_csv(pair / PREDICTIONS, index=False)
    for name, content in zip(SEED_FILES, (errors, shifts), strict=False):
        (folder / name).write_text(json.dumps(content))
    predictions.to_csv(folder / SEED_FILES[2], index=False)
    shifts_of = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
    chosen = pd.DataFrame(shifts_of, columns=["rows_down", "columns_right"])
    chosen.assign(own_models=0.2, other_models=0.2).to_csv(folder / SEED_FILES[3], index=False)
    return folder


def test_the_papers_own_figures_are_reproduced_and_others_are_not(tmp_path: Path) -> None:
    for seed, more in ((1, -0.1), (2, 0.0), (3, 0.25)):
        keep(tmp_path, seed, more)
    found = {each.claim: each for each in claims(load_results(tmp_path), load_params())}
    of_25 = found["Table 2: test error, 25 hidden units per layer"]
    assert (of_25.paper, of_25.seeds, of_25.verdict) == (3.8, 3, "reproduced")
    assert (of_25.ours_min, of_25.ours_max) == pytest.approx((3.7, 4.05))
    assert of_25.ours_mean == pytest.approx(3.85)
    gains = [each for name, each in found.items() if "lower by" in name or "fewer" in name]
    assert [each.ours_mean for each in gains] == pytest.approx([0.1, 0.5, 20.0])
    assert [each.paper for each in gains] == [0.1, None, 30]
    assert {each.verdict for each in found.values()} == {"reproduced"}
    for seed, more, verdict in ((4, 3.0, "not reproduced"), (5, -6.0, "better than the paper")):
        keep(tmp_path, seed, more)
        assert claims(load_results(tmp_path), load_params())[0].verdict == verdict


def keep_others(root: Path) -> None:
    """An ablation of two variants, three others and two sizes, all with errors of their own."""
    variant = {"networks": 1, "chosen": 5.0}
    variants = [
        {"name": "as_given", "step": "as given", **variant, **rates(1.5)},
        {"name": "shifts", "step": "shifts", **variant, **rates(1.25)},
    ]
    images = pd.DataFrame({"set": "test", "index": range(8), "label": [7, 9] * 4})
    table = images.assign(as_given=9, shifts=images["label"])
    figures = {"images": 60000, "train_seconds": 12.4, "test_seconds": 0.5, "parameters": 7850}
    baseline = {name: {**figures, **rates(of)} for name, of in (("balanced", 8), ("standard", 7))}
    layers = {f"shared_layer{layer}": rates(8.0 + layer) for layer in (1, 2, 3)}
    shared = {"separate": rates(5.0), **layers, "class_specificity": [0.11, 0.12, 0.13]}
    contents: dict[str, dict[str, Any]] = {
        "ladder1": {"ladder.json": {"chosen": "shifts", "rungs": variants}},
        "others": {
            "baseline_linear.json": baseline,
            "shared_model_usps.json": shared,
            "joint_model_usps.json": rates(7.25),
        },
        "images50": {"metrics.json": rates(6.5)},
        "images1500": {"metrics.json": rates(2.75)},
    }
    networks = {"9": dict.fromkeys("abc", "0"), "10": {"a": "0", "b": "1", "c": "0", "d": "2"}}
    for count, digests in networks.items():
        errors = {**rates(float(count)), "test_calibration_error": 0.0125}
        contents[f"classes{count}"] = {"metrics.json": errors, DIGESTS: digests}
    seconds = {"processor": "a fast one", **{name: [1800.0, 1200.0, 600.0] for name in NETWORKS}}
    (root / RESULTS / "seed1" / SECONDS).write_text(json.dumps(seconds))
    for name, files in contents.items():
        folder = root / RESULTS / name
        folder.mkdir(parents=True)
        for file, content in {**files, "results.json": {"format": FORMAT, "seed": 1}}.items():
            (folder / file).write_text(json.dumps(content))
    table.to_csv(root / RESULTS / "ladder1" / "ladder_predictions.csv", index=False)


def test_what_else_has_run_is_reported(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    keep_others(tmp_path)
    results, params = load_results(tmp_path), load_params()
    found = {each.claim: each for each in claims(results, params)}
    linear = found["Table 1: Linear classifier (logistic regression)"]
    assert (linear.paper, linear.verdict) == (12, "better than the paper")
    assert linear.ours_mean == pytest.approx(7.0)
    (more,) = (each for name, each in found.items() if "makes more errors than separate" in name)
    assert (more.paper, more.verdict) == (100, "reproduced")
    assert more.ours_mean == pytest.approx(80)
    (added,) = (each for name, each in found.items() if name.startswith("Class added"))
    assert (added.paper, added.ours_mean, added.verdict) == (3, 2, "not reproduced")
    (hours,) = (each for name, each in found.items() if name.startswith("Training 500 units"))
    assert (hours.ours_mean, hours.verdict) == (1, "better than the paper")
    text = markdown(results, params, list(found.values()))
    for row in (
        "| Linear classifier (logistic regression) | 12 | 8.00 | 7.00 | 12 | 0.5 | 7,850 |",
        "| as given | 1 | 1.50 | 1.50 | 5 | 1 |",
        "| shifts | 1 | 1.25 | 1.25 | 5 | 0.1 |",
        "| one model of pixels and labels | 7.25 |",
        "| layer 2 | 0.12 |",
        "| 50 | 6.50 | 6.50 |",
        "| 1,500 | 2.75 | 2.75 |",
        "| 500 | 500 | 30.00 | 20.00 | 10.00 | 1.00 |",
        "2 of its 3 RBMs have the same files",
        "1.25 points on the test images",
        "more of a unit's variance in layer 3 than in layer 1, by | 6 |  | 0.02 |",
    ):
        assert row in text
    assert text.index("| 50 |") < text.index("| 1,500 |")


def test_every_experiment_is_named_once_and_says_what_it_changes() -> None:
    params = load_params(ROOT / "params.yaml")
    found = {each.name: each for each in experiments(params, ["mnist", "usps"])}
    assert len(found) == len(experiments(params, ["mnist", "usps"])) == 1 + 3 + 5 + 3 + 3 + 2
    for images in (50, 1500, 4400):
        *_, epochs = found[f"images{images}"].changes
        updates = int(epochs.split("=")[1]) * -(-images // 50)
        assert 0.97 * 30 * 88 <= updates <= 30 * 88
    without = experiments(params, ["mnist"])[0]
    assert not [name for name in (*without.targets, *without.kept) if "usps" in name]
    assert [name for name in found["others"].kept if "usps" in name]


def test_a_copy_of_a_recipe_is_read_back_as_it_was() -> None:
    """What `--set-param` takes is YAML's flow style, but for quotes."""
    params = load_params(ROOT / "params.yaml")
    ladder = next(e for e in experiments(params, ["mnist"]) if e.name == "ladder1")
    copies = [change for change in ladder.changes if change.startswith("+networks.")]
    assert len(copies) == COPIES - 1 + DESKEWED
    for change in copies:
        name, _, content = change.removeprefix("+networks.").partition("=")
        recipe = Network.model_validate(YAML(typ="safe").load(content.replace(":", ": ")))
        images = "deskewed" if "deskewed" in name else "as_given"
        assert recipe == params.networks["default"].model_copy(update={"images": images})


def test_the_report_and_its_table_say_the_same_and_what_has_not_run(tmp_path: Path) -> None:
    for seed in (1, 2):
        keep(tmp_path, seed)
    results = load_results(tmp_path)
    write_report(results, load_params(), tmp_path)
    table = pd.read_csv(tmp_path / RESULTS / "claims.csv")
    text = (tmp_path / "docs/replication.md").read_text()
    assert text == markdown(results, load_params(), claims(results, load_params()))
    for row in table.itertuples():
        assert f"| {row.claim} |" in text
    assert "| `h400` | 2.00 | 1.60 | 1.40 | 5, 5 | 1 |" in text
    assert "8,952,840" in text
    assert text.count("Not run yet: run `make paper`.") == 5


def test_the_committed_report_is_drawn_from_the_committed_results() -> None:
    results, params = load_results(ROOT), load_params()
    expected = markdown(results, params, claims(results, params))
    assert (ROOT / "docs/replication.md").read_text() == expected


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_parameters_are_those_of_the_arrays(a: int, b: int, c: int) -> None:
    """Layers' arrays by themselves, less the visible biases that are the layer below's own."""
    recipe = replace(load_params(ROOT / "params.yaml").networks["default"].recipe, units=(a, b, c))
    arrays = [12 * a + 12 + a, a * b + a + b, b * c + b + c]
    assert parameters(recipe, pixels=12, n_classes=3) == 3 * (sum(arrays) - a - b)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemars_p_counts_the_ways_to_be_as_unequal(mended: int, spoilt: int) -> None:
    labels = np.zeros(mended + spoilt + 3, int)
    before, after = labels.copy(), labels.copy()
    before[:mended] = 1
    after[mended : mended + spoilt] = 1
    table = pd.DataFrame({"set": "test", "label": labels, "a": before, "b": after})
    ways = binom.pmf(np.arange(mended + spoilt + 1), mended + spoilt, 0.5)
    expected = ways[ways <= ways[mended] * (1 + 1e-9)].sum()
    assert largest_p([Kept(1, {"of": table})], "of", "a", "b") == pytest.approx(min(1.0, expected))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("results.json", '{"format": 99, "seed": 1}', "has results of format 99, this hpoe reads"),
        ("metrics.json", "{}", "has no results of h25, h100"),
        ("all_predictions.csv", None, "is incomplete or damaged"),
    ],
)
def test_results_that_cannot_be_used_are_named(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    with pytest.raises(ReplicationError, match="has no results: run `make paper`"):
        load_results(tmp_path)
    folder = keep(tmp_path, 1)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ReplicationError, match=says) as told:
        load_results(tmp_path)
    assert "run `make paper` again" in str(told.value)
