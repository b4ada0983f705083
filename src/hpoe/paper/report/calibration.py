"""Whether the logistic net's probabilities can be believed, which the paper does not report."""

from collections.abc import Mapping

from hpoe.paper.results import ClassesResults


def section(classes: Mapping[int, ClassesResults]) -> str:
    """The expected calibration error and the reliability diagram."""
    if not classes:
        return ""
    error = 100 * classes[max(classes)].errors["test_calibration_error"]
    return f"""## Calibration of the 310-parameter net

The expected calibration error of the default network's net (15 bins of the highest probability) is
{error:.2f} points on the test images.

![Reliability diagram](replication/figures/calibration.png)
"""
