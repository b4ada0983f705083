"""Section 7: each model chooses among shifted images."""

from collections.abc import Sequence

from hpoe.paper.report.claims import Claim, gain_claim
from hpoe.paper.report.networks import AVERAGE, label
from hpoe.paper.report.text import mcnemar, spread_of, table
from hpoe.paper.results import NETWORKS, PairResults, SeedResults

CHOICES = {"as_given": "", "maximum": "_maximum", "soft": "_soft"}
"""Of a version of the image: the metrics' names, and the endings of the predictions' columns."""


def claims(seeds: Sequence[SeedResults]) -> list[Claim]:
    """The paper's one figure: errors on 7s against 9s."""
    rates = [each.shifts[NETWORKS[-1]]["seven_or_nine"] for each in seeds]
    return [
        gain_claim(
            ("Maximum over shifts, 7s against 9s, 500 units: fewer test errors", "7", "per cent"),
            30,
            [100 * (1 - _ratio(rate["maximum"], rate["as_given"])) for rate in rates],
        )
    ]


def section(seeds: Sequence[SeedResults], pairs: Sequence[PairResults]) -> str:
    """Errors before and after, over all digits and for the paper's pair."""
    return f"""## Shifts (section 7)

Test errors in per cent when each of the 30 models takes the best of five versions of an image (as
given, and moved by a pixel in four directions: the paper's maximum), or all of them softly, at a
temperature chosen on validation. p: McNemar's exact test between as given and soft, the largest of
the seeds.

{_shifts(seeds)}

![Error by temperature](replication/figures/shift_normalization.png)

Which versions of a test image the models of its own digit like best, and those of other digits, in
per cent of all choices of the averaged networks:

{_choices(seeds)}

![Images mended and spoilt](replication/figures/shift_mended.png)

{_seven_or_nine(seeds, pairs)}
"""


def _shifts(seeds: Sequence[SeedResults]) -> str:
    rows = []
    for name in (*NETWORKS, AVERAGE):
        rates = [_shift_percentages(seeds, name, choice) for choice in CHOICES]
        temperatures = sorted(each.shifts[name]["soft"]["temperature"] for each in seeds)
        p = max(mcnemar(each.predictions, name, f"{name}_soft") for each in seeds)
        shown = ", ".join(f"{t:g}" for t in temperatures)
        rows.append([label(name), *map(spread_of, rates), shown, f"{p:.1g}"])
    heads = ["network", "as given", "maximum", "soft", "temperatures", "p"]
    return table(heads, rows, numbers=range(1, 6))


def _choices(seeds: Sequence[SeedResults]) -> str:
    names = {
        (0, 0): "as given",
        (-1, 0): "up",
        (1, 0): "down",
        (0, -1): "to the left",
        (0, 1): "to the right",
    }
    rows = [[name] for name in names.values()]
    for models in ("own_models", "other_models"):
        tables = [each.choices.set_index(["rows_down", "columns_right"])[models] for each in seeds]
        for row, shift in zip(rows, names, strict=True):
            row.append(spread_of([100 * table.to_dict()[shift] for table in tables]))
    return table(["version", "own digit", "other digits"], rows, numbers=(1, 2))


def _seven_or_nine(seeds: Sequence[SeedResults], pairs: Sequence[PairResults]) -> str:
    rows = []
    for name in (*NETWORKS, AVERAGE):
        rates = [
            [100 * each.shifts[name]["seven_or_nine"][choice]["test_error_rate"] for each in seeds]
            for choice in CHOICES
        ]
        p = [_p(pairs, name, CHOICES[choice]) for choice in ("maximum", "soft")]
        given, *chosen = map(spread_of, rates)
        rows.append([label(name), given, chosen[0], p[0], chosen[1], p[1]])
    heads = ["network", "as given", "maximum", "p", "soft", "p"]
    kept = ", ".join(str(each.seed) for each in pairs) or "none yet, `make paper` keeps them"
    return f"""7s against 9s alone, the paper's own experiment, for every network; the paper reports
30 per cent fewer errors. p: McNemar's exact test against as given, the largest of the seeds whose
predictions were kept ({kept}).

{table(heads, rows, numbers=range(1, 6))}"""


def _p(pairs: Sequence[PairResults], name: str, ending: str) -> str:
    if not pairs:
        return ""
    return f"{max(mcnemar(each.predictions, name, name + ending) for each in pairs):.2g}"


def _shift_percentages(seeds: Sequence[SeedResults], name: str, choice: str) -> list[float]:
    return [100 * each.shifts[name][choice]["test_error_rate"] for each in seeds]


def _ratio(after: dict[str, float], before: dict[str, float]) -> float:
    return after["test_error_rate"] / before["test_error_rate"]
