"""The outliers that the known score is fitted against, of images of any size and class."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hpoe.registration.edges import fit_edges
from hpoe.registration.outliers import KINDS, TRANSFORMS, kinds, outliers
from hpoe.registration.source import Images, Source, redrawn
from hpoe.registration.symmetry import asymmetric
from hpoe_recognition.formats import MNIST, Format

FORMATS = [
    MNIST,
    Format(8, 8, "ink"),
    Format(8, 64, "as_is"),
    Format(64, 20, "fit"),
    Format(17, 9, "as_is"),
]


def drawn(form: Format, count: int, rng: np.random.Generator) -> Images:
    """Thick strokes at random places, one row or column of levels each."""
    made = np.zeros((count, form.rows, form.columns), np.uint8)
    for image in made:
        row, column = rng.integers(1, form.rows // 3 + 1), rng.integers(1, form.columns // 3 + 1)
        image[row : row + form.rows // 2, column : column + 2] = 255
        image[row : row + 2, column : column + form.columns // 2] = 200
    return made


def source(form: Format = MNIST, classes: int = 3, seed: int = 0) -> Source:
    """Four images of each of some classes, and as many classes to transform."""
    images = drawn(form, 4 * classes, np.random.default_rng(7))
    positions = np.repeat(np.arange(classes), 4)
    every = dict.fromkeys(TRANSFORMS, np.arange(classes))
    return Source(images, positions, np.random.default_rng(seed), form, every)


@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("kind", [*TRANSFORMS, *KINDS])
def test_every_kind_is_made_for_every_format_and_leaves_its_source_as_it_was(
    kind: str, form: Format
) -> None:
    of = source(form)
    before = of.images.copy()
    made = outliers(of, kind, 8)
    assert made.shape == (8, form.rows, form.columns)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(of.images, before)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_level_are_made_into_outliers_too(level: int) -> None:
    """A class of blank forms, say."""
    plain = replace(source(Format(12, 10, "as_is")), images=np.full((12, 12, 10), level, np.uint8))
    for kind in kinds(plain):
        assert outliers(plain, kind, 3).shape == (3, 12, 10)


def test_pictures_that_fill_the_frame_are_made_into_outliers() -> None:
    grey = np.random.default_rng(0).integers(40, 255, (12, 16, 16)).astype(np.uint8)
    of = replace(source(Format(16, 16, "as_is")), images=grey)
    for kind in kinds(of):
        assert outliers(of, kind, 3).shape == (3, 16, 16)


def test_the_same_seed_makes_the_same_outliers_and_another_seed_others() -> None:
    for kind in kinds(source()):
        first, second = (outliers(source(seed=3), kind, 3) for _ in range(2))
        np.testing.assert_array_equal(first, second)
    for kind in ("collage", "warped", "strokes", "noise"):
        first, other = (outliers(source(seed=seed), kind, 3) for seed in (3, 4))
        assert (first != other).any()


def test_dark_figures_on_light_give_the_negatives_of_light_ones_on_dark() -> None:
    light = source(Format(20, 20, "as_is"))
    dark = replace(light, images=255 - light.images, rng=np.random.default_rng(0))
    assert dark.is_dark_on_light
    assert not light.is_dark_on_light
    for kind in ("halves", "strokes", "half_turned"):
        np.testing.assert_array_equal(outliers(dark, kind, 3), 255 - outliers(light, kind, 3))


def test_redrawn_images_are_the_same_pictures_a_little_blurred() -> None:
    of = source(Format(28, 28, "as_is"))
    again = redrawn(of.images, of).astype(float)
    assert np.abs(again - of.images).mean() < 12
    assert (again != of.images).any()


def test_pairs_are_of_different_classes() -> None:
    of = source(classes=2)
    of = replace(of, images=np.stack([np.full((28, 28), 1 + at, np.uint8) for at in of.positions]))
    for _ in range(50):
        first, second = of.pair()
        assert first.max() != second.max()


def arrows(form: Format, rng: np.random.Generator) -> Images:
    """Triangles that point to the right."""
    rows, columns = np.indices(form.shape)
    middle = (form.rows - 1) / 2 + rng.uniform(-2, 2, (60, 1, 1))
    inside = np.abs(rows - middle) < (form.columns - 4 - columns) / 2.5
    inside &= (columns >= 4 + rng.integers(0, 2, (60, 1, 1))) & (columns < form.columns - 4)
    return np.where(inside, 255, 0).astype(np.uint8)


def same(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images


def test_classes_are_not_transformed_where_they_look_as_before_or_like_another_class() -> None:
    """A bar is symmetric, an arrow is upside down too, and its mirror image is another class's."""
    form, rng = Format(28, 28, "as_is"), np.random.default_rng(0)
    right = arrows(form, rng)
    bars = np.zeros((60, 28, 28), np.uint8)
    for bar, width in zip(bars, rng.integers(3, 6, 60), strict=True):
        bar[4:24, 14 - width : 14 + width] = 255
    up = np.rot90(arrows(form, rng), axes=(1, 2)).copy()

    def found(*classes: Images) -> dict[str, list[int]]:
        positions = np.repeat(np.arange(len(classes)), 60)
        of = Source(np.concatenate(classes), positions, np.random.default_rng(1), form)
        made = asymmetric(of, fit_edges([*classes]), same)
        return {name: where.tolist() for name, where in made.items()}

    alone = found(bars, right, up)
    assert alone["mirrored"] == [1]
    assert alone["upside_down"] == [2]
    assert {1, 2} <= set(alone["skewed"])
    with_left = found(bars, right, up, right[:, :, ::-1].copy())
    assert with_left["mirrored"] == []
