"""What a data set is like, before anything is made of it: what `hpoe init` prints and chooses."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hpoe.data.guesses import guess
from hpoe.data.intake import read_labelled
from hpoe.data.labelled import Labelled, name_of, some
from hpoe.data.looks import Looks, Seen, look_at, summed
from hpoe.data.proposal import Proposal, propose
from hpoe.data.sizes import FEWEST
from hpoe.errors import DataError
from hpoe.labels import in_order
from hpoe.params import Data, Source

MOST_SEEN = 2000
"""Pictures that are opened; of more, every n-th."""
MOST_ROWS = 20
"""Classes that are listed one by one."""


@dataclass(frozen=True)
class Findings:
    """What is in a data set; pictures were sampled if `seen` is less than `images`."""

    path: str
    source: Source
    classes: dict[str, int]
    """Training images by label, in natural order."""
    test_classes: dict[str, int]
    """Images of the source's own test set by label; empty if it has none."""
    groups: int
    """Writers, pages, devices; 0: nothing is known of such."""
    looks: Looks
    broken: list[str]
    """Pictures that cannot be read, and why."""
    repeated: int
    """Pictures that are equal to another of the same class."""
    contradictory: list[str]
    """Pictures that are equal to one of another class, both named."""
    shared_with_test: int
    """Test pictures that are equal to a training picture."""
    too_small: list[str]
    """Labels of classes with fewer than `FEWEST` training images, after a test set is cut."""
    proposal: Proposal

    @property
    def images(self) -> int:
        """All images."""
        return sum(self.classes.values()) + sum(self.test_classes.values())


def inspect(source: Data | Path, workers: int = 1) -> Findings:
    """Look at a data set; nothing is written.

    Raises:
        DataError: it cannot be used as it is; the message says what to change.
    """
    data = source if isinstance(source, Data) else guess(source)
    if data.path is None:
        raise DataError(f"the source {data.source} is not the user's own: there is nothing to find")
    found = read_labelled(data, Path())
    step = -(-len(found.labels) // MOST_SEEN)
    places = range(0, len(found.labels), step)
    seen = dict(zip(places, look_at(found.pictures, places, workers), strict=True))
    looks = summed([each for each in seen.values() if not each.fault])
    if not looks.seen:
        raise DataError(f"{data.path} has no picture that can be read: {_faults(found, seen)[0]}")
    is_test = found.is_test if found.is_test is not None else np.zeros(len(found.labels), bool)
    classes, tests = _counts(found.labels, is_test, False), _counts(found.labels, is_test, True)
    left = 1.0 if tests else 0.8
    repeated, contradictory, shared = _equal(found, seen)
    columns = data.columns.model_dump() if data.columns is not None else None
    return Findings(
        path=data.path,
        source=data.source,
        classes=classes,
        test_classes=tests,
        groups=len(set(found.groups or ())),
        looks=looks,
        broken=_faults(found, seen),
        repeated=repeated,
        contradictory=contradictory,
        shared_with_test=shared,
        too_small=[label for label, count in classes.items() if round(left * count) < FEWEST],
        proposal=propose(looks, (data.source, data.path), columns, sum(tests.values())),
    )


def _counts(labels: list[str], is_test: NDArray[np.bool_], which: bool) -> dict[str, int]:
    counts = Counter(label for label, test in zip(labels, is_test, strict=True) if test == which)
    return {label: counts[label] for label in in_order(counts)}


def _faults(found: Labelled, seen: dict[int, Seen]) -> list[str]:
    return [
        f"{name_of(found.names, found.is_test, place)}: {each.fault}"
        for place, each in seen.items()
        if each.fault
    ]


def _equal(found: Labelled, seen: dict[int, Seen]) -> tuple[int, list[str], int]:
    """Count the sampled pictures that equal another one, by where that is."""
    first: dict[bytes, int] = {}
    repeated, shared, contradictory = 0, 0, []
    for place, each in seen.items():
        other = place if each.fault else first.setdefault(each.digest, place)
        if other == place:
            continue
        if found.labels[place] != found.labels[other]:
            pair = (name_of(found.names, found.is_test, which) for which in (other, place))
            contradictory.append(" = ".join(pair))
        elif found.is_test is not None and found.is_test[place] != found.is_test[other]:
            shared += 1
        else:
            repeated += 1
    return repeated, contradictory, shared


def report(findings: Findings) -> RenderableType:
    """Return what was found and what is proposed, for 80 columns."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column()
    for name, value in _facts(findings):
        facts.add_row(name, Text(value))
    proposed = Table.grid(padding=(0, 2))
    for _ in range(3):
        proposed.add_column()
    blocks = findings.proposal.blocks()
    for name, value in {**blocks["data"], **blocks["split"]}.items():
        if name in findings.proposal.reasons:
            proposed.add_row(name, Text(str(value)), Text(findings.proposal.reasons[name], "dim"))
    return Group(facts, Text(), Text("Proposed", "bold"), proposed)


def _facts(findings: Findings) -> list[tuple[str, str]]:
    """What was found, by name; only what there is."""
    looks, counts = findings.looks, findings.classes
    (rows, columns), common = looks.sizes.most_common(1)[0]
    heights, widths = ([size[axis] for size in looks.sizes] for axis in (0, 1))
    sizes = f"{rows} x {columns} ({common / looks.seen:.0%})"
    if len(looks.sizes) > 1:
        sizes += f"; {min(heights)} to {max(heights)} rows, {min(widths)} to {max(widths)} columns"
    facts = [
        ("source", f"{findings.source}, {findings.path}"),
        ("classes", f"{len(counts)}: {_listed(counts)}"),
        ("images", f"{sum(counts.values()):,}, {min(counts.values()):,} to "
         f"{max(counts.values()):,} per class"),
        ("test set", f"{sum(findings.test_classes.values()):,} images"),
        ("groups", f"{findings.groups:,}"),
        ("looked at", f"{looks.seen + len(findings.broken):,} of {findings.images:,} pictures"),
        ("sizes", sizes),
        ("modes", ", ".join(f"{mode} {n / looks.seen:.0%}" for mode, n in looks.modes.items())),
        ("polarity", f"light on dark {looks.light / looks.seen:.0%}"),
        ("unreadable", f"{len(findings.broken):,}: {some(findings.broken)}"),
        ("repeated", f"{findings.repeated:,} pictures equal another of their class"),
        ("contradictory", f"{len(findings.contradictory):,} pictures equal one of another class: "
         f"{some(findings.contradictory)}"),
        ("test = training", f"{findings.shared_with_test:,} test pictures are training pictures"),
        ("too small", f"{_listed({label: counts[label] for label in findings.too_small})}: at "
         f"least {FEWEST} training images are needed"),
    ]  # fmt: skip
    nothing = {
        "test set": not findings.test_classes,
        "groups": not findings.groups,
        "unreadable": not findings.broken,
        "repeated": not findings.repeated,
        "contradictory": not findings.contradictory,
        "test = training": not findings.shared_with_test,
        "too small": not findings.too_small,
    }
    return [(name, value) for name, value in facts if not nothing.get(name)]


def _listed(counts: dict[str, int]) -> str:
    """Labels with their numbers of images; of many, the first."""
    shown = [f"{label} ({count:,})" for label, count in list(counts.items())[:MOST_ROWS]]
    return ", ".join(shown) + (", ..." if len(counts) > MOST_ROWS else "")
