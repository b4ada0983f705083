"""`hpoe sweep`: the pipeline for every combination of some params, its digits trained in one pool.

DVC runs the stages of a pipeline one after another, and a layer stage has ten digits. But a digit's
layers need those below them and nothing else: the digits of all combinations are independent, and
as many workers as there are digits have work. Once those of a combination are trained, its pipeline
runs as a DVC experiment, beside those of others, finds them in the store, and does the rest.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from hpoe.compute.parallel import run_tasks
from hpoe.compute.progress import Board
from hpoe.data import mnist
from hpoe.data.split import save_split
from hpoe.errors import ParamsError, SweepError
from hpoe.evaluation.scoring import LAYERS
from hpoe.execution.experiments import experiment_environment, read_result, run_experiment
from hpoe.execution.pipeline import RAW, record_path, stage_label
from hpoe.execution.stage import split_digest
from hpoe.files import write_bytes
from hpoe.params import Params, Split, load_params
from hpoe.settings import Settings
from hpoe.tracking.mlflow_errors import first_line
from hpoe.tracking.records import (
    StageRecord,
    execution_key,
    execution_uid,
    stage_uid,
)
from hpoe.training.dispatch import find_device, train
from hpoe.training.tasks import TrainingTask, training_task

TARGET = "evaluate"
"""The stage after which a combination's errors are known; the others only show or register them."""


@dataclass(frozen=True, eq=False)
class Combination:
    """One pipeline of a sweep."""

    values: Mapping[str, str]
    """What tells it from the others, by param."""
    changes: tuple[str, ...]
    """What is set in params.yaml, as DVC takes it."""
    params: Params

    @property
    def experiment(self) -> str:
        """The name of its DVC experiment, of its params and the code."""
        return f"sweep-{execution_key(self.params)[:12]}"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())


class Outcome(BaseModel):
    """What is shown of a combination once its pipeline has run."""

    validation_error_rate: float
    test_error_rate: float
    run: str
    """The name of its run in MLflow."""


@dataclass(frozen=True)
class Chain:
    """A digit's layers, of one recipe, seed and split: one task."""

    number: int
    layers: tuple[TrainingTask, ...]


def sweep(
    networks: Sequence[str],
    overrides: Sequence[str],
    settings: Settings,
    root: Path,
    say: Callable[[str], None],
) -> dict[Combination, Outcome]:
    """Run the pipeline for all combinations; those of earlier, cut-off calls are kept.

    Args:
        networks: each trained alone; none: those that params.yaml trains.
        overrides: PARAM=VALUE,VALUE..., as `dvc exp run --set-param` takes them.
        settings: of this machine.
        root: of the repository, the current folder.
        say: tells the user how it goes.

    Raises:
        ParamsError: a param is not there or a value not allowed; nothing has been started.
        SweepError: a pipeline failed.
    """
    every = combinations(networks, overrides)
    device = find_device(settings)
    # Workers, and pipelines in folders of their own, find the same files.
    settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
    folder = settings.state_dir / "sweep"
    outcomes = {each: found for each in every if (found := _load(folder, each))}
    left = [each for each in every if each not in outcomes]
    say(f"{len(every)} combinations, of which {len(outcomes)} have run already")
    if not left:
        return outcomes
    environment = {
        **experiment_environment(settings),
        "HPOE_MNIST_DIR": str(folder / "raw"),
        "HPOE_WORKERS": "1",  # to find digits trained costs less than to start processes for it
        "HPOE_DEVICE": device,
    }
    environment.pop("HPOE_RAY_ADDRESS", None)  # what is left to do finds its digits trained
    mnist.fetch(folder / "raw", _source(settings), say)
    trained = _train(left, settings, folder, say) if device == "cpu" else iter(left)
    pool = ThreadPoolExecutor(settings.workers if device == "cpu" else 1)
    running: dict[Combination, Future[Outcome]] = {}
    try:
        for each in trained:
            running[each] = pool.submit(_run, each, root, folder, environment, say)
            for done in filter(Future.done, running.values()):
                done.result()  # raises what made it fail
        return outcomes | {each: done.result() for each, done in running.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def combinations(networks: Sequence[str], overrides: Sequence[str]) -> list[Combination]:
    """Every network with every combination of the overrides' values, in DVC's own grammar.

    Raises:
        ParamsError: an override is not one, or its values are not allowed.
    """
    from dvc.utils.hydra import get_hydra_sweeps

    load_params()
    with _explained(overrides):
        grid = get_hydra_sweeps({"": list(overrides)})
    found: dict[str, Combination] = {}
    for network in networks or (None,):
        alone = (
            () if network is None else (f"train=[{network}]", f"classifier.networks=[{network}]")
        )
        for point in grid:
            values = {} if network is None else {"network": network}
            values |= dict(change.split("=", 1) for change in point[""])
            changes = (*alone, *point[""])
            params = _apply(changes)
            found.setdefault(params.model_dump_json(), Combination(values, changes, params))
    return list(found.values())


def outcome_table(outcomes: Mapping[Combination, Outcome]) -> Table:
    """All combinations, the fewest validation errors first."""
    table = Table(title="Sweep")
    names = list(next(iter(outcomes)).values)
    for heading in names:
        table.add_column(escape(heading), overflow="fold")
    for heading in ("validation", "test"):
        table.add_column(heading, justify="right")
    for heading in ("run", "experiment"):
        table.add_column(heading, overflow="fold")
    by_validation = sorted(outcomes.items(), key=lambda item: item[1].validation_error_rate)
    for each, outcome in by_validation:
        rates = (outcome.validation_error_rate, outcome.test_error_rate)
        shown = [*(escape(each.values[name]) for name in names), *(f"{rate:.2%}" for rate in rates)]
        table.add_row(*shown, outcome.run, each.experiment)
    return table


def train_chain(chain: Chain) -> int:
    """Train a digit's layers, one after another; the chain's number.

    What it publishes is for its own upper layers: what is kept is in the store.
    """
    with tempfile.TemporaryDirectory() as models:
        for task in chain.layers:
            train(replace(task, models=Path(models)))
    return chain.number


def _apply(changes: Sequence[str]) -> Params:
    """params.yaml with changes, checked.

    Raises:
        ParamsError: there is no such param, or its value is not allowed.
    """
    from dvc.utils.hydra import apply_overrides

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "params.yaml"
        path.write_bytes(Path("params.yaml").read_bytes())
        with _explained(changes):
            apply_overrides(path, list(changes))
        try:
            return load_params(path)
        except ParamsError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise ParamsError(f"params.yaml with {' '.join(changes)}: {reason}") from None


@contextmanager
def _explained(changes: Sequence[str]) -> Iterator[None]:
    """DVC's grammar and params.yaml, where they refuse changes, in one sentence."""
    from dvc.exceptions import DvcException
    from hydra.errors import HydraException

    try:
        yield
    except (DvcException, HydraException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        reason = first_line(cause).partition(" expecting ")[0].removesuffix(".")
        raise ParamsError(
            f"{' '.join(changes)} cannot be set ({reason}): give PARAM=VALUE,VALUE with a param "
            "that params.yaml has, as seed=1,2,3"
        ) from None


def _source(settings: Settings) -> Path | None:
    """Where MNIST is on this machine, if it is."""
    here = all((RAW / name).exists() for name in mnist.SHA256)
    return RAW if here else settings.mnist_dir


def _train(
    left: Sequence[Combination], settings: Settings, folder: Path, say: Callable[[str], None]
) -> Iterator[Combination]:
    """Train all digits of all combinations, what takes longest first; each once it is complete."""
    board = folder / "progress"
    Board.create(board, {label for each in left for label in each.params.split.digits})
    splits = {sizes: _cut(sizes, folder) for sizes in dict.fromkeys(c.params.split for c in left)}
    chains: dict[tuple[object, ...], Chain] = {}
    missing: dict[Combination, set[int]] = {}
    for each in left:
        of_this = _chains(each.params, splits[each.params.split], settings, board)
        for key, layers in of_this.items():  # combinations of one training share its chain
            chains.setdefault(key, Chain(len(chains), layers))
        missing[each] = {chains[key].number for key in of_this}
    say(f"{len(chains)} digits to train, of {len(LAYERS)} layers each")
    longest_first = sorted(chains.values(), key=_work, reverse=True)
    for number in run_tasks(train_chain, longest_first, settings.workers, settings.ray_address):
        for each in list(missing):
            missing[each].discard(number)
            if not missing[each]:
                del missing[each]
                yield each


def _cut(sizes: Split, folder: Path) -> Path:
    """The folder of a split's files, written as the stage of that name writes them."""
    name = hashlib.sha256(sizes.model_dump_json().encode()).hexdigest()[:12]
    save_split(folder / "split" / name, mnist.load(folder / "raw"), sizes)
    return folder / "split" / name


def _chains(
    params: Params, images: Path, settings: Settings, board: Path
) -> dict[tuple[object, ...], tuple[TrainingTask, ...]]:
    """The layers of every digit of a pipeline, by what tells the digit's training from others."""
    uid = execution_uid(settings.state_dir, params, split_digest(images))
    found: dict[tuple[object, ...], tuple[TrainingTask, ...]] = {}
    for network in params.train:
        recipe = params.networks[network]
        for digit in params.split.digits:
            found[network, recipe, digit, params.seed, images] = tuple(
                training_task(
                    params,
                    settings,
                    network,
                    layer,
                    digit,
                    split=images,
                    models=Path(),  # a chain's own
                    board=board,
                    # The run that the stage will have, which then tracks the digit as its own.
                    stage=stage_uid(uid, stage_label(f"train_layer{layer}", network)),
                )
                for layer in LAYERS
            )
    return found


def _work(chain: Chain) -> int:
    """How long a chain takes beside others, roughly: epochs times units."""
    recipe = chain.layers[0].recipe
    return recipe.epochs * sum(recipe.units)


def _run(
    combination: Combination,
    root: Path,
    folder: Path,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Outcome:
    """Run a combination's pipeline, keep its outcome and tell it.

    Raises:
        SweepError: it failed.
    """
    name, log = combination.experiment, folder / f"{combination.experiment}.log"
    with log.open("w") as output:
        ended = run_experiment(
            name,
            combination.changes,
            [TARGET],
            root=root,
            folder=folder / "experiments",
            environment=environment,
            output=output,
        )
    if not ended:
        raise SweepError(
            f"the pipeline of {combination} failed: {log} says why; the same command goes on from "
            "there, what was finished is kept"
        )
    metrics, record = (
        read_result(path, name, root) for path in ("reports/metrics.json", record_path(TARGET))
    )
    run = StageRecord.model_validate_json(record).pipeline.name
    outcome = Outcome.model_validate({**json.loads(metrics), "run": run})
    write_bytes(folder / f"{name}.json", outcome.model_dump_json().encode())
    say(
        f"{combination}: validation error {outcome.validation_error_rate:.2%}, "
        f"test error {outcome.test_error_rate:.2%}"
    )
    return outcome


def _load(folder: Path, combination: Combination) -> Outcome | None:
    """The kept outcome of a combination; None if it has not run with this code."""
    path = folder / f"{combination.experiment}.json"
    return Outcome.model_validate_json(path.read_bytes()) if path.exists() else None
