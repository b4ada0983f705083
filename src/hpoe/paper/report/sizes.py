"""Errors by the number of unsupervised images, which the paper does not report."""

from collections.abc import Mapping

from hpoe.paper.report.text import table


def section(sizes: Mapping[int, Mapping[str, float]]) -> str:
    """A row a size of the unsupervised set."""
    if not sizes:
        return ""
    rows = [
        [
            f"{images:,}",
            f"{100 * rates['validation_error_rate']:.2f}",
            f"{100 * rates['test_error_rate']:.2f}",
        ]
        for images, rates in sizes.items()
    ]
    heads = ["unsupervised images a digit", "validation", "test"]
    return f"""## Fewer unsupervised images

Errors in per cent of the default network, one seed, with as many updates of the weights whatever
the number of images; the supervised set is as large as ever.

{table(heads, rows, numbers=range(3))}

![Error by unsupervised images](replication/figures/sizes.png)
"""
