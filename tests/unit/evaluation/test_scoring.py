"""Scores of many images: the same as image by image, version by version, in a known order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpoe.data.split import load_class
from hpoe.evaluation import scoring
from hpoe.evaluation.refitting import chosen_versions
from hpoe.evaluation.scoring import LAYERS, SETS, labelled_images, score_network
from hpoe.method.hierarchy import layer_goodness
from hpoe.method.rbm import RBM, initial_state, visible_units
from hpoe.method.recipe import Recipe
from hpoe.training.tasks import weights_path
from hpoe.training.weights import save_rbm
from hpoe_recognition.normalization import SHIFTS, Versions

SHIFTED = Versions(offsets=SHIFTS)


@pytest.fixture
def hierarchies(recipe: Recipe, tmp_path: Path) -> dict[str, list[RBM]]:
    """Random models of digits 0 and 1, published as those of the network tiny."""
    recipe = replace(recipe, initial_standard_deviation=1.0)
    models: dict[str, list[RBM]] = {"0": [], "1": []}
    for digit, rbms in models.items():
        visible = 12
        for layer in LAYERS:
            rng = np.random.default_rng(10 * int(digit) + layer)
            rbms.append(initial_state(recipe, layer, visible, rng).rbm)
            save_rbm(weights_path(tmp_path / "models", "tiny", layer, digit), rbms[-1], "")
            visible = recipe.units[layer - 1]
    return models


def test_images_are_listed_by_set_then_digit_with_their_places(split_folder: Path) -> None:
    table, images = labelled_images(split_folder)
    assert list(table.columns) == ["set", "index", "label"]
    row = 0
    for name in SETS:
        for digit in "01":
            part = load_class(split_folder, digit)
            for image, place in zip(
                getattr(part, name), getattr(part, f"{name}_index"), strict=True
            ):
                assert table.iloc[row].tolist() == [name, place, digit]
                np.testing.assert_array_equal(images[row], image)
                row += 1
    assert row == len(table) == len(images) == 2 * (2 + 2 + 3)


def test_scores_are_the_goodness_of_each_image_in_each_version_under_each_model(
    split_folder: Path, tmp_path: Path, hierarchies: dict[str, list[RBM]]
) -> None:
    versions = Versions("deskewed", SHIFTS, (0.3,))
    found = score_network("tiny", split_folder, tmp_path / "models", 1, versions)
    _, images = labelled_images(split_folder)
    assert found.shape == (6, 14, 6)
    assert found.dtype == np.float64
    for scores, version in zip(found, versions.of(images), strict=True):
        v = visible_units(version)
        for image in range(14):
            expected = [
                layer_goodness(hierarchies[digit], v[image : image + 1])[0].numpy()
                for digit in "01"
            ]
            np.testing.assert_allclose(
                scores[image], np.concatenate(expected), rtol=1e-6, atol=1e-6
            )


@pytest.mark.usefixtures("hierarchies")
def test_neither_batches_nor_workers_change_the_scores(
    split_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, two = (
        score_network("tiny", split_folder, tmp_path / "models", workers, SHIFTED)
        for workers in (1, 2)
    )
    np.testing.assert_array_equal(two, whole)
    monkeypatch.setattr(scoring, "IMAGES_AT_ONCE", 4)
    parts = score_network("tiny", split_folder, tmp_path / "models", 1, Versions())
    at = SHIFTS.index((0, 0))
    np.testing.assert_allclose(parts[0], whole[at], rtol=1e-6, atol=1e-6)


def test_choices_are_counted_for_an_images_own_models_and_the_others() -> None:
    rng = np.random.default_rng(0)
    scores, own = rng.standard_normal((3, 40, 6)), rng.random((40, 6)) < 0.3
    found = chosen_versions(scores, own)
    for row, models in zip(found, (own, ~own), strict=True):
        picked = [scores[:, n, m].argmax() for n, m in zip(*np.nonzero(models), strict=True)]
        expected = [np.mean(np.array(picked) == version) for version in range(3)]
        np.testing.assert_allclose(row, expected)
