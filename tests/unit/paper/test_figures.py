"""Figures of paper and report: what they say is computed from what they show."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hpoe.paper import figures as paper_figures
from hpoe.paper.report import figures as report_figures
from hpoe.paper.report.measurements import AVERAGE
from hpoe.paper.results import LADDER, METRICS, NETWORKS, Kept

RNG = np.random.default_rng(0)


def drawn(figure: Figure) -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def title(figure: Figure) -> str:
    return str(figure.get_suptitle())


def test_squares_have_areas_as_their_magnitudes_and_rows_sum_to_zero() -> None:
    goodness = RNG.normal(100, 30, (3, 3))
    figure = paper_figures.hinton_diagram(goodness, ["0", "1", "2"], "net")
    squares = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    areas = np.array(
        [
            (1 if patch.get_facecolor()[0] == 1 else -1) * patch.get_width() * patch.get_height()
            for patch in squares
        ]
    ).reshape(3, 3)
    shifted = goodness - goodness.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(areas / np.abs(areas).max(), shifted / np.abs(shifted).max())
    np.testing.assert_allclose(areas.sum(axis=1), 0, atol=1e-9)
    assert title(figure).startswith(f"{(np.diag(shifted) > 0).sum()} of 3 models")


def test_the_best_line_is_where_two_gaussians_part() -> None:
    """Means (0, 0) and (4, 2), equal round spreads: the line bisects their connection."""
    first = RNG.normal((0, 0), 1, (4000, 2))
    second = RNG.normal((4, 2), 1, (4000, 2))
    scores = np.concatenate([first, second])
    a, b, c = paper_figures.best_line(scores, np.repeat([False, True], 4000))
    assert a / b == pytest.approx(2, rel=0.15)
    assert a * 2 + b * 1 + c == pytest.approx(0, abs=0.15 * np.hypot(a, b))


def test_the_scatter_counts_what_is_on_the_wrong_side() -> None:
    apart = np.array([[0.0, 4], [1, 5], [0, 6], [4, 0], [5, 1], [6, 0]])
    astray = apart.copy()
    astray[0] = [5, 0]
    figure = paper_figures.scatter({1: apart, 3: astray}, np.repeat(["9", "7"], 3), ("7", "9"))
    assert "0 in layer 1 and 1 in layer 3, of 6 7s and 9s" in title(figure)


def test_the_reconstructions_say_how_far_the_other_model_errs() -> None:
    images = np.zeros((3, 5, 6, 6), np.float32)
    seven, nine = images.copy(), images.copy()
    seven[2] = 0.5  # the 9s' model on 7s
    nine[0] = 1.0  # the 7s' model on 9s
    figure = paper_figures.reconstructions({"net": {"7": seven, "9": nine}}, ("7", "9"))
    assert f"{(36 * 0.25 + 36) / 2:.1f} (net)" in title(figure)


@pytest.mark.slow
@pytest.mark.parametrize("count", [9, 10])
def test_every_picture_is_drawn_and_equal_inputs_give_equal_bytes(count: int) -> None:
    strips = RNG.random((count, 5, 8, 8), np.float32)
    panels = {name: RNG.standard_normal((18, 8, 8)).astype(np.float32) for name in ("a", "b")}
    images = RNG.integers(0, 256, (100, 8, 8)).astype(np.uint8)
    first, second = (
        [
            drawn(
                paper_figures.chains(
                    strips, [*map(str, range(count))], (0, 1, 10, 100, 1000), "net"
                )
            ),
            drawn(paper_figures.fields(panels, "3")),
            drawn(paper_figures.examples(images, "2")),
        ]
        for _ in range(2)
    )
    assert first == second


# The report


def rates(test: float, validation: float = 0.0) -> dict[str, float]:
    ends = {"test_error_rate_low": test / 2, "test_error_rate_high": 2 * test}
    return {"test_error_rate": test, "validation_error_rate": validation, **ends}


def test_the_title_says_the_widest_gap_between_two_seeds() -> None:
    errors = dict.fromkeys((*NETWORKS, AVERAGE), (0.02, 0.02)) | {"h25": (0.04, 0.037)}
    seeds = [
        Kept(
            seed, {METRICS: {n: {"logistic_regression": rates(e[seed])} for n, e in errors.items()}}
        )
        for seed in (0, 1)
    ]
    figure = report_figures.errors_by_seed(seeds)
    assert title(figure) == "Another seed moves the test error by at most 0.30 points"
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.asarray(dots[0].get_ydata(), float), [4.0, 3.7])


def test_the_ablation_ends_at_what_validation_likes_best() -> None:
    errors = {
        "one": [(0.016, 0.02), (0.014, 0.022)],
        "two": [(0.011, 0.01), (0.009, 0.012)],
        "three": [(0.008, 0.015), (0.008, 0.015)],
    }
    ladders = [
        Kept(seed, {LADDER: {"rungs": [{"step": n, **rates(*e[seed])} for n, e in errors.items()]}})
        for seed in (0, 1)
    ]
    figure = report_figures.ablation(ladders)
    assert title(figure).startswith("From 1.50 to 1.00 % test error")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(errors)
