"""The ablation: which scores each variant classifies, and how validation chooses."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from hpoe.method.warping import LENGTHS
from hpoe.paper.ladder import SHEARED, WIDTHS, evaluate, predictions, summary, variants
from hpoe.params import load_params
from hpoe_recognition.normalization import SHEARS, SHIFTS, soft_choice

VERSIONS, IMAGES, MODELS = len(SHIFTS) + len(SHEARS), 90, 6
TEMPERATURES = (10.0, 1.0)
Scores = NDArray[np.float64]


@pytest.fixture
def images() -> pd.DataFrame:
    sets = np.repeat(["fit", "validation", "test"], IMAGES // 3)
    return pd.DataFrame(
        {"set": sets, "index": range(IMAGES), "label": (np.arange(IMAGES) % 3).astype(str)}
    )


@pytest.fixture
def networks(images: pd.DataFrame) -> list[Scores]:
    """Three plain and two deskewed networks: noisy scores that are higher for an image's label."""
    rng = np.random.default_rng(0)
    signal = 2.0 * np.eye(3)[images["label"].astype(int)].repeat(2, axis=1)
    return [signal + rng.standard_normal((VERSIONS, IMAGES, MODELS)) for _ in range(5)]


def test_each_variant_has_the_scores_that_its_step_says(networks: list[Scores]) -> None:
    plain, deskewed = networks[:3], networks[3:]
    warped = np.random.default_rng(1).standard_normal((len(LENGTHS), IMAGES, MODELS))
    found = {each.name: each for each in variants(plain, deskewed, warped, TEMPERATURES)}
    np.testing.assert_array_equal(found["as_given"].candidates[0.0], plain[0][0])
    np.testing.assert_array_equal(found["maximum"].candidates[0.0], plain[0][:5].max(axis=0))
    both = np.concatenate([np.mean(plain, axis=0), np.mean(deskewed, axis=0)], axis=2)
    expected = {
        "shifts": plain[0][:5],
        "shears": plain[0][[0, 5, 6, 7, 8]],
        "both": plain[0],
        "deskewed": deskewed[0][:5],
        "averaged": np.mean(plain, axis=0)[:5],
        "averaged_deskewed": np.mean(deskewed, axis=0)[:5],
        "beside": both[:5],
        "beside_both": both,
    }
    for name, versions in expected.items():
        assert list(found[name].candidates) == sorted(TEMPERATURES)
        for temperature, scores in found[name].candidates.items():
            np.testing.assert_allclose(scores, soft_choice(versions, temperature))
    assert tuple(found["warps"].candidates) == WIDTHS
    for width, scores in found["warps"].candidates.items():
        lengths = np.array(LENGTHS)[:, None, None]
        np.testing.assert_allclose(scores, (warped - (lengths / width) ** 2 / 2).max(axis=0))
    assert SHEARED == (0, 5, 6, 7, 8)
    assert [each.networks for each in found.values()] == [1] * 7 + [3, 2, 5, 5]


def test_validation_chooses_numbers_and_variants(
    networks: list[Scores], images: pd.DataFrame
) -> None:
    warped = np.zeros((len(LENGTHS), IMAGES, MODELS))
    steps = variants(networks[:3], networks[3:], warped, TEMPERATURES)
    results = [evaluate(variant, load_params().classifier, images, workers=1) for variant in steps]
    told = summary(results)
    losses = {each.variant.name: each.outcome.fit.validation_loss for each in results}
    assert told["chosen"] == min(losses, key=lambda name: losses[name])
    table = predictions(results)
    assert set(table["set"]) == {"validation", "test"}
    for row, each in zip(told["rungs"], results, strict=True):
        assert row["name"] == each.variant.name
        assert row["chosen"] in each.variant.candidates
        for part in ("validation", "test"):
            of = table[table["set"] == part]
            assert row[f"{part}_error_rate"] == (of[row["name"]] != of["label"]).mean()
    assert losses["averaged"] < losses["as_given"]
