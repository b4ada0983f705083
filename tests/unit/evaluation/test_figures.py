"""Figures: what is drawn is what was given, and the bytes depend on nothing else."""

import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from hpoe.evaluation import drawing, figures

MINUS = "\N{MINUS SIGN}"
SIZE = (12, 10)  # not square, so that rows and columns cannot be mixed up


def some_fields() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {digit: rng.standard_normal((5, *SIZE), dtype=np.float32) for digit in "047"}


def some_curves() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_product(
        [(1, 2, 3), range(10), range(1, 6)], names=["layer", "label", "epoch"]
    )
    names = ("reconstruction_error", "goodness_train", "goodness_heldout", "mean_hidden_activity")
    values = rng.uniform(0, 9, (len(index), len(names)))
    curves = pd.DataFrame(values, index, list(names)).assign(weight_norm=1.0)
    return curves.reset_index().sample(frac=1, random_state=2)


def some_errors(count: int) -> dict[str, Any]:
    """Images each of one grey of its own (up to 255 of them), and two different digits for each."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, count)
    greys = (np.arange(count) % 255 + 1).astype(np.uint8)
    return {
        "images": np.broadcast_to(greys[:, None, None], (count, *SIZE)).copy(),
        "labels": labels.astype(str),
        "predictions": ((labels + rng.integers(1, 10, count)) % 10).astype(str),
        "n_images": 10_000,
    }


def some_confusions() -> NDArray[np.int64]:
    matrix = np.diag(np.full(9, 1_000))
    matrix[3, 5], matrix[5, 3], matrix[8, 0] = 17, 9, 1
    return matrix


def some_temperatures() -> dict[str, Any]:
    return {
        "table": pd.DataFrame(
            {
                "temperature": [100.0, 1.0, 10.0],
                "validation_error_rate": [0.0154, 0.0160, 0.0148],
                "test_error_rate": [0.0114, 0.0138, 0.0116],
            }
        ),
        "as_given": (0.0216, 0.0150),
        "maximum": (0.0164, 0.0141),
        "chosen": 10.0,
    }


def some_calibration() -> dict[str, Any]:
    rows = {
        "low": [0.4, 0.8],
        "high": [0.6, 1.0],
        "images": [10, 90],
        "confidence": [0.5, 0.9],
        "accuracy": [0.6, 1.0],
        "accuracy_low": [0.3, 0.95],
        "accuracy_high": [0.8, 1.0],
    }
    return {"table": pd.DataFrame(rows), "error": 0.1}


EXAMPLES: dict[Callable[..., Figure], Callable[[], dict[str, Any]]] = {
    figures.receptive_fields: lambda: {"fields": some_fields(), "network": "h500"},
    figures.learning_curves: lambda: {"curves": some_curves(), "network": "h500"},
    figures.misclassified: lambda: some_errors(158),
    figures.confusion: lambda: {"matrix": some_confusions(), "labels": list("abcdefghi")},
    figures.shift_temperatures: some_temperatures,
    figures.calibration: some_calibration,
}


def plain(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments as numpy can compare them."""
    return {
        name: value.to_dict() if isinstance(value, pd.DataFrame) else value
        for name, value in given.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("draw", EXAMPLES)
def test_a_figure_depends_on_its_inputs_alone_and_leaves_them_as_they_were(
    draw: Callable[..., Figure], tmp_path: Path
) -> None:
    """Equal bytes whatever the user's matplotlib settings; the file says nothing of its making."""
    given, settings = EXAMPLES[draw](), dict(mpl.rcParams)
    before = copy.deepcopy(given)
    figure = draw(**given)
    drawing.save(figure, tmp_path / "deep" / "figure.png")
    np.testing.assert_equal(plain(given), plain(before))
    assert dict(mpl.rcParams) == settings
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "savefig.dpi": 30}):
        drawing.save(draw(**given), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "deep/figure.png").read_bytes()
    with Image.open(tmp_path / "again.png") as png:
        assert png.size == figure.canvas.get_width_height()
        assert set(png.info) == {"dpi"}
    inches, size = figure.get_tightbbox(), figure.get_size_inches()
    assert np.greater_equal(inches.min, 0).all(), "something is drawn outside the figure"
    assert np.less_equal(inches.max, size).all(), "something is drawn outside the figure"


def picture(axes: Axes) -> NDArray[Any]:
    return np.asarray(axes.images[0].get_array())


def test_each_digits_receptive_fields_are_drawn_in_its_row_positive_weights_white() -> None:
    fields = some_fields()
    fields["4"][2, 3, 1] = -6.125
    figure = figures.receptive_fields(fields, "h500")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "4", "7"]
    drawn = picture(axes)
    for digit, middle in zip(fields, axes.get_yticks(), strict=True):
        row = drawn[int(middle) - SIZE[0] // 2 :][: SIZE[0]]
        for unit, field in enumerate(fields[digit]):
            left = unit * (SIZE[1] + 2)
            np.testing.assert_array_equal(row[:, left : left + SIZE[1]], field)
    assert np.isfinite(drawn).sum() == sum(field.size for field in fields.values())
    low, high = axes.images[0].get_clim()
    shades = axes.images[0].to_rgba(np.array([low, 0, high]))[:, :3]
    np.testing.assert_allclose(shades, np.repeat([[0], [0.5], [1]], 3, axis=1), atol=0.01)
    assert any(text.get_text().endswith(f"weight is {MINUS}6.12") for text in figure.texts)


@pytest.mark.parametrize("count", [0, 60])
def test_every_misclassified_image_is_drawn_once_in_its_row_above_its_true_digit(
    count: int,
) -> None:
    errors = some_errors(count)
    figure = figures.misclassified(**errors)
    (axes,) = figure.axes
    assert figure.get_suptitle().startswith(f"The {count} misclassified test images of 10,000 (")
    drawn = picture(axes)
    tops = axes.get_yticks() - SIZE[0] / 2
    rows = [label.get_text().split()[0] for label in axes.get_yticklabels()]
    for image, prediction in zip(errors["images"], errors["predictions"], strict=True):
        where = np.argwhere(drawn == image[0, 0])
        assert len(where) == image.size
        row = np.searchsorted(tops, where[:, 0], side="right") - 1
        assert {rows[index] for index in row} == {prediction}
    assert np.count_nonzero(drawn) == errors["images"].size
    found = {}
    for text in axes.texts:
        x, bottom = text.get_position()
        found[int(drawn[int(bottom) - 1, int(x)])] = text.get_text()
    greys = errors["images"][:, 0, 0].tolist()
    assert found == dict(zip(greys, errors["labels"].tolist(), strict=True))


def test_long_labels_that_are_shortened_alike_keep_rows_of_their_own_and_apart() -> None:
    labels = np.array([f"a very long label, number {n}" for n in range(3)])
    images = np.broadcast_to(np.arange(1, 7, dtype=np.uint8)[:, None, None], (6, *SIZE))
    true, predicted = labels[[0, 0, 1, 1, 2, 2]], labels[[1, 2, 0, 2, 0, 1]]
    figure = figures.misclassified(images, true, predicted, 100)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a very lon…  (2)"] * 3
    assert set(np.unique(picture(axes))) == set(range(7))
    extents = sorted(
        (box.y0, box.x0, box.x1) for box in (text.get_window_extent() for text in axes.texts)
    )
    for (line, _, right), (next_line, left, _) in pairwise(extents):
        assert line != next_line or right < left


def test_of_many_misclassified_images_every_second_or_third_is_drawn() -> None:
    errors = some_errors(3 * figures.MOST_IMAGES - 5)
    figure = figures.misclassified(**errors)
    drawn = len(figure.axes[0].texts)
    assert figures.MOST_IMAGES - 10 <= drawn <= figures.MOST_IMAGES + 10  # a part of each row
    assert figure.texts[-1].get_text().endswith("one of 3 is shown")


@pytest.mark.parametrize("count", [40, 300])
def test_confusions_of_many_classes_are_coloured_without_numbers(count: int) -> None:
    matrix = np.diag(np.full(count, 9))
    matrix[0, 1] = 4
    figure = figures.confusion(matrix, [f"class {number}" for number in range(count)])
    axes = figure.axes[0]
    assert not axes.texts
    assert axes.get_xticklabels()[0].get_rotation() == 90
    assert len(axes.get_yticks()) <= figures.MOST_NAMES
    assert max(figure.get_size_inches()) < 25


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("7", "7"),
        ("t-shirt", "t-shirt"),
        ("$x^2$", r"\$x^2\$"),  # not as a formula
        ("\N{CJK UNIFIED IDEOGRAPH-5FC3}", "\N{WHITE SQUARE}"),  # no glyph, and no warning
        ("0123456789ab", "0123456789…"),
    ],
)
def test_labels_are_shortened_to_what_can_be_drawn(label: str, shown: str) -> None:
    assert drawing.shortened(label) == shown


def test_corrected_images_are_drawn_above_spoilt_ones_with_both_predictions() -> None:
    """Images of one grey each: 30 are corrected, the next 3 spoilt, the others unchanged."""
    images = np.broadcast_to(np.arange(1, 61, dtype=np.uint8)[:, None, None], (60, 6, 5))
    labels = np.full(60, "4")
    before, after = labels.copy(), labels.copy()
    before[:30], after[30:33] = "9", "7"
    before[40:50] = after[40:50] = "1"  # wrong before and after
    figure = figures.changed_predictions(images, labels, before, after)
    (axes,) = figure.axes
    assert figure.get_suptitle() == "Shifts correct 30 test images and spoil 3"
    drawn = picture(axes)
    assert set(np.unique(drawn)) == set(range(34))
    first_rows = [np.argwhere(drawn == grey)[0, 0] for grey in (1, 30, 31)]
    assert first_rows == sorted(set(first_rows))
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["9 → 4"] * 30 + ["4 → 7"] * 3
    assert [label.get_text() for label in axes.get_yticklabels()] == ["corrected", "spoilt"]
    unchanged = figures.changed_predictions(images, labels, labels, labels)
    assert not picture(unchanged.axes[0]).any()


def test_confusions_are_written_in_their_cells_and_only_errors_are_coloured() -> None:
    matrix = some_confusions()
    figure = figures.confusion(matrix, labels=list("123456789"))
    axes = figure.axes[0]
    written = np.zeros_like(matrix)
    for text in axes.texts:
        column, row = text.get_position()
        written[int(row), int(column)] = int(text.get_text().replace(",", "") or 0)
    np.testing.assert_array_equal(written, matrix)
    assert axes.yaxis_inverted()
    (cells,) = axes.collections
    coloured = cells.get_array()
    assert isinstance(coloured, np.ma.MaskedArray)
    np.testing.assert_array_equal(np.ma.getmaskarray(coloured), np.eye(9, dtype=bool))
    assert cells.get_clim() == (0, 17)
    assert figure.get_suptitle() == "27 of 9,027 images are taken for another class (0.30 %)"
    assert figure.texts[-1].get_text() == "Most often 4 is taken for 6: 17 times"
