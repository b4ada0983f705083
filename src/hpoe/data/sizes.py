"""How many images of a class each set gets: counts, or fractions of what there is.

Shapes: C classes, 4 sets (unsupervised, fit, validation, test).
"""

from collections.abc import Sequence

import numpy as np

from hpoe.data.assignment import Numbers
from hpoe.errors import DataError
from hpoe.params import Split

FEWEST = 10
"""Training images of a class."""


def wanted_sizes(counts: Numbers, labels: Sequence[str], sizes: Split) -> Numbers:
    """Return how many images of each class the sets want, [C, 4], of so many images of each, [C].

    Raises:
        DataError: a class has too few.
    """
    _check_enough(counts, labels, sizes)
    classes = zip(counts.tolist(), labels, strict=True)
    return np.array([_wanted(count, label, sizes) for count, label in classes])


def _check_enough(counts: Numbers, labels: Sequence[str], sizes: Split) -> None:
    for count, label in zip(counts.tolist(), labels, strict=True):
        left = count - _test_size(count, sizes)
        if left < FEWEST:
            raise DataError(
                f"class {label!r} has {max(0, left)} training images, and at least {FEWEST} are "
                "needed: add some, or leave it out of split.classes"
            )


def _test_size(count: int, sizes: Split) -> int:
    if sizes.test == "official":
        return 0
    return sizes.test if isinstance(sizes.test, int) else max(1, round(sizes.test * count))


def _wanted(count: int, label: str, sizes: Split) -> tuple[int, int, int, int]:
    """How many images of a class each set wants, in the order of SETS."""
    test = _test_size(count, sizes)
    left = count - test
    unsupervised, supervised = sizes.unsupervised_per_class, sizes.supervised_per_class
    first = unsupervised if isinstance(unsupervised, int) else round(unsupervised * left)
    if isinstance(supervised, int):
        last = first + supervised
    elif isinstance(unsupervised, int):
        last = first + round(supervised * left)
    else:  # together, for no image to be lost to rounding
        last = round(min(1.0, unsupervised + supervised) * left)
    if last > left:
        raise DataError(
            f"class {label!r} has {left} training images, but split in params.yaml needs "
            f"{first} + {last - first}: reduce them"
        )
    fit = (last - first) // 2
    return first, fit, last - first - fit, test


def most_images(wanted: Numbers, sizes: Split) -> Numbers:
    """The most images of each set: a count is kept exactly, a fraction as nearly as possible."""
    amounts = (sizes.unsupervised_per_class, *[sizes.supervised_per_class] * 2, sizes.test)
    is_count = np.array([isinstance(amount, int) for amount in amounts])
    return np.where(is_count, wanted, np.iinfo(np.int64).max)
