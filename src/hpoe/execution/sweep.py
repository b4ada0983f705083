"""`hpoe sweep`: run the pipeline for all combinations of some params.

DVC runs the stages of a pipeline one after another, and a layer stage trains only ten classes at
once. But a class's layers depend only on those below them, so a pool of workers trains the classes
of all combinations. Once those of a combination are trained, its pipeline runs as a DVC experiment,
next to those of others, and finds the trained classes in the store.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel
from rich.console import JustifyMethod
from rich.table import Table

from hpoe.compute.parallel import run_tasks
from hpoe.compute.progress import Board
from hpoe.data.division import make_split
from hpoe.data.fetching import COLLECTIONS, fetch_source, is_complete
from hpoe.data.split import labels_in
from hpoe.errors import SweepError
from hpoe.evaluation.scoring import LAYERS
from hpoe.execution.experiments import experiment_environment, read_result, run_experiment
from hpoe.execution.grid import Combination, combinations
from hpoe.execution.pipeline import RAW, REPORTS, record_path, stage_label
from hpoe.execution.stage import split_digest
from hpoe.files import write_bytes
from hpoe.params import Params
from hpoe.reporting import say
from hpoe.settings import Settings
from hpoe.tracking.records import StageRecord, execution_uid, stage_uid
from hpoe.training.dispatch import find_device, train
from hpoe.training.tasks import TrainingTask, training_task

Key = tuple[object, ...]
"""Everything that decides the training of a class: network, recipe, label, seed and split."""
Chain = tuple[Key, tuple[TrainingTask, ...]]
"""The layers of one class: one task. Combinations with equal keys share it."""
TARGET = "evaluate"
"""The stage that computes a combination's errors; later stages only draw or register."""


class CombinationResult(BaseModel):
    """The errors of a combination whose pipeline has run."""

    validation_error_rate: float
    test_error_rate: float
    run: str
    """The name of its run in MLflow."""


def sweep(
    networks: Sequence[str], overrides: Sequence[str], settings: Settings
) -> dict[Combination, CombinationResult]:
    """Run the pipeline for all combinations except those that an interrupted sweep has finished.

    Args:
        networks: networks to train one at a time; if empty, those that params.yaml trains.
        overrides: PARAM=VALUE,VALUE..., in the syntax of `dvc exp run --set-param`.
        settings: of this machine.

    Raises:
        ParamsError: a param does not exist or a value is not allowed; nothing has been started.
        SweepError: a pipeline failed.
    """
    every = combinations(networks, overrides)
    device = find_device(settings)
    # Workers and pipelines run in other folders.
    settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
    folder = settings.state_dir / "sweep"
    results = {each: found for each in every if (found := _load(folder, each))}
    left = [each for each in every if each not in results]
    say(f"{len(every)} combinations, of which {len(results)} have run already")
    if not left:
        return results
    environment = {
        **experiment_environment(settings),
        **{f"HPOE_{source.upper()}_DIR": str(folder / "raw") for source in COLLECTIONS},
        "HPOE_WORKERS": "1",  # finding trained classes takes less time than starting processes
        "HPOE_DEVICE": device,
    }
    environment.pop("HPOE_RAY_ADDRESS", None)  # the pipelines find their classes trained
    for source in {each.params.data.source for each in left}:
        here = {f"{source}_dir": RAW} if is_complete(source, RAW) else {}
        fetch_source(source, folder / "raw", settings.model_copy(update=here), say)
    trained = _train(left, settings, folder) if device == "cpu" else iter(left)
    pool = ThreadPoolExecutor(settings.workers if device == "cpu" else 1)
    running: dict[Combination, Future[CombinationResult]] = {}
    try:
        for each in trained:
            running[each] = pool.submit(_run, each, folder, environment)
            for done in filter(Future.done, running.values()):
                done.result()  # raises the error of a failed pipeline
        return results | {each: done.result() for each, done in running.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def result_table(results: Mapping[Combination, CombinationResult]) -> Table:
    """A table of all combinations, sorted by validation error."""
    table = Table(title="Sweep")
    names = list(next(iter(results)).values)
    for heading in (*names, "validation", "test", "run", "experiment"):
        justify: JustifyMethod = "right" if heading in ("validation", "test") else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    by_validation = sorted(results.items(), key=lambda item: item[1].validation_error_rate)
    for each, result in by_validation:
        rates = (result.validation_error_rate, result.test_error_rate)
        shown = [*(each.values[name] for name in names), *(f"{rate:.2%}" for rate in rates)]
        table.add_row(*shown, result.run, each.experiment)
    return table


def train_chain(chain: Chain) -> Key:
    """Train a class's layers one after another; return the chain's key.

    Weights are published in a temporary folder, for the chain's own upper layers; the store keeps
    the trained RBMs.
    """
    key, layers = chain
    with tempfile.TemporaryDirectory() as models:
        for task in layers:
            train(replace(task, models=Path(models)))
    return key


def _train(left: Sequence[Combination], settings: Settings, folder: Path) -> Iterator[Combination]:
    """Train the classes of all combinations, longest first; yield each one when it is complete."""
    board = folder / "progress"
    splits = _splits(left, settings, folder)
    Board.create(board, max(len(labels_in(images)) for images in splits.values()))
    chains: dict[Key, tuple[TrainingTask, ...]] = {}
    missing: dict[Combination, set[Key]] = {}
    for each in left:
        own = chains_of(each.params, splits[_split_key(each.params)], settings, board)
        chains = {**own, **chains}  # the first combination that needs a chain tracks it
        missing[each] = set(own)
    say(f"{len(chains)} classes to train, of {len(LAYERS)} layers each")
    longest_first = sorted(chains.items(), key=_work, reverse=True)
    for key in run_tasks(train_chain, longest_first, settings.workers, settings.ray_address):
        for each in [each for each, keys in missing.items() if key in keys]:
            missing[each].remove(key)
            if not missing[each]:
                yield each


def _splits(left: Sequence[Combination], settings: Settings, folder: Path) -> dict[str, Path]:
    """Make the split of each combination as the stage does, equal ones once; return the folders."""
    found = {}
    for params in (each.params for each in left):
        key = _split_key(params)
        if key not in found:
            found[key] = folder / "split" / key
            make_split(
                found[key],
                params.data,
                params.split,
                params.seed,
                raw=folder / "raw",
                workers=settings.workers,
                say=say,
            )
    return found


def _split_key(params: Params) -> str:
    """Return a key that is equal for equal splits: without shuffling, the seed decides nothing."""
    seeded = {"seed"} if params.split.shuffle else set()
    blocks = params.model_dump_json(include={"data", "split", *seeded})
    return hashlib.sha256(blocks.encode()).hexdigest()[:12]


def chains_of(
    params: Params, images: Path, settings: Settings, board: Path
) -> dict[Key, tuple[TrainingTask, ...]]:
    """Return the layers of every class of a pipeline, by their keys."""
    uid = execution_uid(settings.state_dir, params, split_digest(images))
    return {
        (network, params.networks[network], label, params.seed, images): tuple(
            training_task(
                params,
                settings,
                network,
                layer,
                label,
                split=images,
                models=Path(),  # a chain's own
                board=board,
                position=position,
                # The run of the stage that will find the class trained and track it as its own.
                stage=stage_uid(uid, stage_label(f"train_layer{layer}", network)),
            )
            for layer in LAYERS
        )
        for network in params.train
        for position, label in enumerate(labels_in(images))
    }


def _work(chain: Chain) -> int:
    """The relative duration of a chain: epochs times units."""
    recipe = chain[1][0].recipe
    return recipe.epochs * sum(recipe.units)


def _run(
    combination: Combination, folder: Path, environment: Mapping[str, str]
) -> CombinationResult:
    """Run a combination's pipeline; save and report its result.

    Raises:
        SweepError: the pipeline failed.
    """
    name, log = combination.experiment, folder / f"{combination.experiment}.log"
    with log.open("w") as output:
        ended = run_experiment(
            name,
            combination.changes,
            [TARGET],
            root=Path.cwd(),
            folder=folder / "experiments",
            environment=environment,
            output=output,
        )
    if not ended:
        raise SweepError(
            f"the pipeline of {combination} failed: {log} says why; run the same command again to "
            "continue, finished combinations are kept"
        )
    metrics = json.loads(read_result(REPORTS / "metrics.json", name, Path.cwd()))
    record = StageRecord.model_validate_json(read_result(record_path(TARGET), name, Path.cwd()))
    result = CombinationResult.model_validate({**metrics, "run": record.pipeline.name})
    write_bytes(folder / f"{name}.json", result.model_dump_json().encode())
    say(
        f"{combination}: validation error {result.validation_error_rate:.2%}, "
        f"test error {result.test_error_rate:.2%}"
    )
    return result


def _load(folder: Path, combination: Combination) -> CombinationResult | None:
    """The saved result of a combination; None if it has not run with this code."""
    path = folder / f"{combination.experiment}.json"
    return CombinationResult.model_validate_json(path.read_bytes()) if path.exists() else None
