"""The report's own figures: what they say is computed from what they show."""

import numpy as np
from matplotlib.figure import Figure

from hpoe.paper.report import figures as report_figures


def title(figure: Figure) -> str:
    return str(figure.get_suptitle())


def test_seeds_are_told_by_the_widest_gap_between_two() -> None:
    errors = {"small": [(0.04, 0.03, 0.05), (0.037, 0.03, 0.045)], "large": [(0.02, 0.01, 0.03)]}
    figure = report_figures.errors_by_seed(errors, {"small": 0.038})
    assert title(figure) == "Another seed moves the test error by at most 0.30 points"
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    heights = [np.asarray(dot.get_ydata(), float).item() for dot in dots]
    np.testing.assert_allclose(heights, [4.0, 3.7, 2.0])


def test_the_ladder_ends_at_what_validation_likes_best() -> None:
    steps = {
        "one": {"validation": [0.02, 0.022], "test": [0.016, 0.014]},
        "two": {"validation": [0.01, 0.012], "test": [0.011, 0.009]},
        "three": {"validation": [0.015, 0.015], "test": [0.008, 0.008]},
    }
    figure = report_figures.ladder(steps)
    assert title(figure).startswith("From 1.50 to 1.00 % test error")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(steps)


def test_sizes_are_told_by_the_least_and_the_most_images() -> None:
    errors = {
        50: {"validation_error_rate": 0.07, "test_error_rate": 0.065},
        4400: {"validation_error_rate": 0.02, "test_error_rate": 0.015},
    }
    figure = report_figures.errors_by_images(errors)
    assert title(figure) == "50 images a digit: 6.5 %; 4,400: 1.5 % test error"
    validation, test = figure.axes[0].lines
    drawn = [np.asarray(line.get_ydata(), float) for line in (validation, test)]
    np.testing.assert_allclose(drawn, [[7.0, 2.0], [6.5, 1.5]])
