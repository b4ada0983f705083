"""A sweep's combinations, their refusals, and which digits they share."""

import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from hpoe.errors import HpoeError, ParamsError
from hpoe.execution import sweep as sweeping
from hpoe.execution.grid import combinations
from hpoe.execution.sweep import CombinationResult, result_table
from hpoe.params import Params, load_params
from hpoe.settings import Settings

EPOCHS = "networks.default.epochs"


@pytest.fixture(autouse=True)
def _repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)


def test_every_value_is_combined_with_every_other_and_nothing_else_is_changed(
    params: Params,
) -> None:
    found = combinations([], [f"{EPOCHS}=10,30", "seed=range(1,4)"])
    assert [each.values for each in found] == [
        {EPOCHS: epochs, "seed": seed} for epochs in ("10", "30") for seed in ("1", "2", "3")
    ]
    for each in found:
        recipe = params.networks["default"].model_copy(update={"epochs": int(each.values[EPOCHS])})
        networks = {**params.networks, "default": recipe}
        changes = {"seed": int(each.values["seed"]), "networks": networks}
        assert each.params == params.model_copy(update=changes)
        assert each.changes == tuple(f"{name}={value}" for name, value in each.values.items())
    assert len({each.experiment for each in found}) == 6


def test_a_network_is_trained_and_classified_alone() -> None:
    found = combinations(["h25", "h100"], ["seed=1,2"])
    assert [str(each) for each in found] == [
        f"network={network} seed={seed}" for network in ("h25", "h100") for seed in (1, 2)
    ]
    for each in found:
        network = (each.values["network"],)
        assert each.params.train == each.params.classifier.networks == network
        assert each.changes[:2] == (f"train=[{network[0]}]", f"classifier.networks=[{network[0]}]")


def test_the_same_params_are_one_combination() -> None:
    assert len(combinations([], ["seed=2,2,3"])) == 2
    assert len(combinations([], [])) == 1


@pytest.mark.parametrize(
    ("networks", "overrides", "message"),
    [
        ([], ["networks.default.epoch=1,2"], "cannot be set .*'networks.default.epoch'"),
        ([], ["seed"], "seed cannot be set .Error parsing override 'seed'.: give PARAM=VALUE"),
        ([], ["seed=glob(*)"], "Glob override .* is not supported"),
        ([], ["~seed"], "with ~seed=null: seed is missing"),
        ([], ["seed=1,-1"], "params.yaml with seed=-1: seed is -1: input should be greater"),
        ([], [f"{EPOCHS}=1,two"], f"{EPOCHS} is 'two': input should be a valid integer"),
        (["h26"], [], "train names 'h26', which networks lacks"),
    ],
)
def test_what_cannot_be_combined_is_told_in_one_sentence(
    networks: list[str], overrides: list[str], message: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        combinations(networks, overrides)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert "/tmp" not in str(caught.value)  # noqa: S108


def test_nothing_is_started_when_a_combination_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("experiment_environment", "run_tasks", "run_experiment"):
        monkeypatch.setattr(sweeping, name, None)
    settings = Settings.model_construct(state_dir=tmp_path / "state")
    with pytest.raises(HpoeError):
        sweeping.sweep([], ["seed=1,-1"], settings)
    assert not (tmp_path / "state").exists()


def chains_of(params: Params, images: Path, tmp_path: Path) -> list[sweeping.Chain]:
    settings = Settings.model_construct(state_dir=tmp_path / "state", checkpoint_seconds=0)
    return list(sweeping.chains_of(params, images, settings, tmp_path / "board").items())


def test_combinations_share_the_classes_that_are_trained_alike(
    tmp_path: Path, split_folder: Path
) -> None:
    """Another classifier shares all, another seed none, another network is added."""
    base = load_params()

    def keys_of(params: Params, images: Path) -> set[sweeping.Key]:
        return {key for key, _ in chains_of(params, images, tmp_path)}

    all_of = keys_of(base, split_folder)
    assert len(all_of) == 2

    def shared(*changes: str) -> int:
        (other,) = combinations([], list(changes))
        return len(all_of & keys_of(other.params, split_folder))

    assert shared("classifier.method=gradient_ascent") == 2
    assert shared("seed=2") == shared(f"{EPOCHS}=1") == 0
    assert shared("train=[default,h25]") == 2
    other_images = shutil.copytree(split_folder, tmp_path / "other")
    assert not all_of & keys_of(base, other_images)


@pytest.mark.parametrize(("shuffle", "count"), [("false", 1), ("true", 3)])
def test_equal_splits_are_made_once(
    shuffle: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed decides what is in a split only where its images are shuffled."""
    made: list[Path] = []
    monkeypatch.setattr(sweeping, "make_split", lambda folder, *_, **__: made.append(folder))
    every = combinations([], ["seed=1,2,3", f"split.shuffle={shuffle}"])
    settings = Settings.model_construct(workers=1)
    assert len(sweeping._splits(every, settings, tmp_path)) == len(set(made)) == len(made) == count


def test_the_table_shows_the_fewest_validation_errors_first() -> None:
    every = combinations([], ["seed=1,2,3", "split.classes=[0,1]"])
    rates = (0.03, 0.01, 0.02)
    results = {
        each: CombinationResult(
            validation_error_rate=rate, test_error_rate=rate / 2, run=f"run {rate}"
        )
        for each, rate in zip(every, rates, strict=True)
    }
    console = Console(width=200)
    with console.capture() as capture:
        console.print(result_table(results))
    rows = [line for line in capture.get().splitlines() if "run 0" in line]
    assert [re.findall(r"[\d.]+%", row) for row in rows] == [
        ["1.00%", "0.50%"],
        ["2.00%", "1.00%"],
        ["3.00%", "1.50%"],
    ]
    assert all("[0,1]" in row for row in rows)
