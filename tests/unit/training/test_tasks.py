"""How long training takes, whatever else happens meanwhile."""

from hpoe.training.tasks import core_seconds


def test_a_pause_and_slow_epochs_do_not_count() -> None:
    durations = [50] * 30 + [90] * 20 + [3_600_000]
    ends = [sum(durations[:count]) for count in range(len(durations) + 1)]
    assert core_seconds(ends) == 52 * 50 / 1000


def test_a_single_epoch_has_no_duration() -> None:
    assert core_seconds([17]) == 0
