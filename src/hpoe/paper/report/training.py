"""Section 5: how long training takes, and that every layer of every digit trains by itself."""

from collections.abc import Mapping, Sequence

from hpoe.paper.report.claims import Claim, Verdict
from hpoe.paper.report.networks import units
from hpoe.paper.report.text import spread_of, table
from hpoe.paper.results import NETWORKS, ClassesResults, SeedResults
from hpoe.params import Params

PAPER_HOURS = 14 * 24
"""The paper: under two weeks, in Matlab on a Pentium II of 500 MHz."""
TASKS = 30
"""Independent but for a digit's own layers."""


def claims(seeds: Sequence[SeedResults], classes: Mapping[int, ClassesResults]) -> list[Claim]:
    """Hours of training, and what a class more leaves as it was."""
    found = []
    hours = [_hours(each, NETWORKS[-1]) for each in seeds if each.core_seconds]
    if hours:
        verdict: Verdict = "better than the paper" if max(hours) < PAPER_HOURS else "not reproduced"
        numbers = (sum(hours) / len(hours), min(hours), max(hours))
        what = ("Training 500 units for 500 epochs takes less than", "5", "hours of a core")
        found.append(Claim(*what, PAPER_HOURS, *numbers, len(hours), verdict))
    if len(classes) > 1:
        few, many = (classes[count] for count in sorted(classes))
        unchanged, before = _unchanged(few, many), len(few.digests)
        verdict = "reproduced" if unchanged == before else "not reproduced"
        what = ("A class added: RBMs of the others whose files stay the same", "1", "files")
        numbers = (unchanged, unchanged, unchanged)
        found.append(Claim(*what, before, *numbers, 1, verdict))
    return found


def section(
    seeds: Sequence[SeedResults], classes: Mapping[int, ClassesResults], params: Params
) -> str:
    """Core hours by network, and a class added."""
    return f"""## Training: hours, and a task a layer of a digit (section 5)

{_times([each for each in seeds if each.core_seconds], params)}

{_class_added(classes)}
"""


def _times(seeds: Sequence[SeedResults], params: Params) -> str:
    if not seeds:
        return "Times: not run yet, `make paper` does."
    rows = [
        [
            str(units(params, name)),
            str(params.networks[name].epochs),
            *(spread_of([each.core_seconds[name][at] / 60 for each in seeds]) for at in range(3)),
            spread_of([_hours(each, name) for each in seeds]),
        ]
        for name in NETWORKS
    ]
    heads = ["units", "epochs", "layer 1, minutes", "layer 2", "layer 3", "all, hours"]
    processors = ", ".join(sorted({each.core_seconds["processor"] for each in seeds}))
    return f"""One core's time to train all ten digits, by layer: epochs times the first decile of
their durations ({processors}). A layer of a digit needs the layers below it and nothing of another
digit: {TASKS} tasks, ten at a time on as many cores. The paper's network of 500 units took under
two weeks in Matlab on a Pentium II of 500 MHz, {PAPER_HOURS} hours.

{table(heads, rows, numbers=range(6))}"""


def _class_added(classes: Mapping[int, ClassesResults]) -> str:
    if len(classes) < 2:
        return "A class added: not run yet, `make paper` does."
    few, many = sorted(classes)
    before, after = classes[few], classes[many]
    same = _unchanged(before, after)
    new = len(set(after.digests) - set(before.digests))
    rates = [f"{100 * each.errors['test_error_rate']:.2f}" for each in (before, after)]
    return f"""A class added to the default network of {few} digits, which errs on {rates[0]} per
cent of their test images: {same} of its {len(before.digests)} RBMs have the same files, byte for
byte, in the network of {many} digits; {new} more were trained, and the logistic net again.
It errs on {rates[1]} per cent of the test images of all {many}.
[How to](how-it-works.md#a-class-more)."""


def _unchanged(before: ClassesResults, after: ClassesResults) -> int:
    """RBMs whose files are the same, byte for byte."""
    return sum(after.digests.get(path) == digest for path, digest in before.digests.items())


def _hours(each: SeedResults, name: str) -> float:
    seconds: list[float] = each.core_seconds[name]
    return sum(seconds) / 3600
