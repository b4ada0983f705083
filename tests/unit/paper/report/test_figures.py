"""The report's own figures: what they say is computed from what they show."""

import numpy as np
from matplotlib.figure import Figure

from hpoe.paper.report import figures as report_figures
from hpoe.paper.report.measurements import AVERAGE
from hpoe.paper.results import LADDER, METRICS, NETWORKS, Kept


def title(figure: Figure) -> str:
    return str(figure.get_suptitle())


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
