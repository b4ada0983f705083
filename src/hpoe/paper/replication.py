"""The paper's experiments: the pipeline run with other params, small results kept.

What is kept are small files, a folder an experiment, so that the report is drawn again without
training.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from hpoe.data import usps
from hpoe.errors import DataError, ReplicationError
from hpoe.evaluation.scoring import LAYERS
from hpoe.execution.experiments import experiment_environment, read_result, run_experiment
from hpoe.execution.pipeline import record_path
from hpoe.files import write_bytes, write_json
from hpoe.method.recipe import Recipe
from hpoe.paper.baselines import BASELINES
from hpoe.paper.results import (
    AVERAGED,
    DIGESTS,
    FORMAT,
    LADDER_FILES,
    NETWORKS,
    PAIR_FILES,
    RECORD,
    RESULTS,
    SECONDS,
    SEED_FILES,
)
from hpoe.params import Params
from hpoe.settings import Settings
from hpoe.tracking.records import StageRecord
from hpoe.training.dispatch import find_device

SEEDS = (1, 2, 3)
PLAIN = "networks.default.images=as_given"
"""The default recipe on images that are not deskewed, like the paper's networks."""
COPIES, DESKEWED = 5, 3
"""Networks of the default recipe on images as given, and on deskewed ones, that are averaged."""
DIGITS = range(10)
SIZES = (50, 150, 500, 1500, 4400)
"""Unsupervised images a digit."""
METHODS = tuple(BASELINES)
PAIR = (7, 9)
"""The digits of section 7's own experiment."""
FIGURES = (*(f"paper/figure{number}.png" for number in range(1, 7)), "misclassified.png")
FIGURES += ("shift_normalization.png", "shift_mended.png")
"""Of reports/figures/, kept of the first seed."""
PAPER = "paper/dvc.yaml"


@dataclass(frozen=True)
class Experiment:
    """A run of the pipeline with other params, and what is kept of it."""

    name: str
    """Of its folder in docs/replication."""
    seed: int
    changes: tuple[str, ...]
    targets: tuple[str, ...]
    kept: tuple[str, ...]
    """Files in reports/, or below."""
    figures: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()
    """Networks whose training times are kept."""
    digests: str = ""
    """The network whose RBMs' digests are kept."""


def replicate(
    names: Sequence[str],
    settings: Settings,
    params: Params,
    root: Path,
    say: Callable[[str], None],
) -> None:
    """Run experiments as DVC experiments beside the working tree, all if no names are given.

    Their small results are kept. Without USPS section 6 is run on MNIST alone, and this is said.

    Raises:
        ReplicationError: no experiment has such a name, or a run failed; what it trained is kept,
            and the next goes on from it.
    """
    known = [each.name for each in experiments(params, [])]
    for name in names:
        if name not in known:
            raise ReplicationError(
                f"no experiment is called {name!r}: there are {', '.join(known)}"
            )
    if find_device(settings) != "cpu":
        raise ReplicationError(
            "the replication reports the seconds that a core trains, and HPOE_DEVICE names a GPU: "
            "set it to cpu"
        )
    environment = experiment_environment(settings)
    store = settings.state_dir.resolve() / "usps"
    data_sets = ["mnist"]
    try:
        usps.fetch(store, settings.usps_dir, say)
        data_sets.append("usps")
    except DataError as error:
        say(f"{error}; section 6 is run without USPS")
    environment["HPOE_USPS_DIR"] = str(store)
    for experiment in experiments(params, data_sets):
        if names and experiment.name not in names:
            continue
        say(f"{experiment.name}: {', '.join(experiment.changes) or 'the params as they are'}")
        _run(experiment, root, settings.state_dir, environment)
        keep(experiment, root)


def experiments(params: Params, data_sets: Sequence[str]) -> list[Experiment]:
    """Everything that is replicated: what takes longest comes last."""
    return [
        _others(params.seed, data_sets),
        *(_ladder(seed, params.networks["default"].recipe) for seed in SEEDS),
        *(_size(images, params) for images in SIZES),
        *(_table_two(seed) for seed in SEEDS),
        *(_seven_or_nine(seed) for seed in SEEDS),
        *(_classes(params.seed, count) for count in (len(DIGITS) - 1, len(DIGITS))),
    ]


def keep(experiment: Experiment, root: Path) -> None:
    """Copy an experiment's small results to its folder."""
    from dvc.api import read

    folder = root / RESULTS / experiment.name
    targets = {f"reports/{name}": folder / Path(name).name for name in experiment.kept}
    for name in experiment.figures:
        targets[f"reports/figures/{name}"] = root / RESULTS / "figures" / Path(name).name
    for source, target in targets.items():
        write_bytes(target, read(source, repo=str(root), rev=_revision(experiment), mode="rb"))
    if experiment.timed:
        write_json(folder / SECONDS, _core_seconds(experiment, root))
    if experiment.digests:
        write_json(folder / DIGESTS, _digests(experiment, root))
    write_json(folder / RECORD, {"format": FORMAT, "seed": experiment.seed})


def _core_seconds(experiment: Experiment, root: Path) -> dict[str, Any]:
    """Seconds that one core needs for each layer of each network, and what it is."""
    seconds: dict[str, Any] = {}
    for network in experiment.timed:
        paths = [record_path(f"train_layer{layer}", network) for layer in LAYERS]
        texts = [read_result(path, _revision(experiment), root) for path in paths]
        records = [StageRecord.model_validate_json(text) for text in texts]
        seconds[network] = [record.stage.metrics["core_seconds"] for record in records]
        processor = records[0].pipeline.tags["processor"]
    return {"processor": processor, **seconds}


def _digests(experiment: Experiment, root: Path) -> dict[str, str]:
    """DVC's digests of a network's RBMs, by path."""
    from dvc.api import DVCFileSystem

    files = DVCFileSystem(url=str(root), rev=_revision(experiment))
    found = files.find(f"models/{experiment.digests}", detail=True)
    return {
        path: info["dvc_info"]["md5"]
        for path, info in sorted(found.items())
        if path.endswith(".safetensors")
    }


def _run(experiment: Experiment, root: Path, state_dir: Path, environment: dict[str, str]) -> None:
    ended = run_experiment(
        _revision(experiment),
        experiment.changes,
        experiment.targets,
        root=root,
        folder=state_dir / "experiments",
        environment=environment,
    )
    if not ended:
        raise ReplicationError(
            f"{experiment.name} failed: the lines above say why; the same command goes on from the "
            "last checkpoint"
        )


def _revision(experiment: Experiment) -> str:
    return f"paper-{experiment.name}"


def _others(seed: int, data_sets: Sequence[str]) -> Experiment:
    """Table 1's other methods, and section 6."""
    stages = [f"baseline@{method}" for method in METHODS]
    stages += [f"{model}@{name}" for name in data_sets for model in ("shared_model", "joint_model")]
    return Experiment(
        "others",
        seed,
        (),
        tuple(f"{PAPER}:{stage}" for stage in stages),
        tuple(f"paper/{stage.replace('@', '_')}.json" for stage in stages),
    )


def _ladder(seed: int, recipe: Recipe) -> Experiment:
    """Several networks of the default recipe, on images as given and on deskewed ones."""
    plain = [f"default{copy}" for copy in range(2, COPIES + 1)]
    deskewed = [f"deskewed{copy}" for copy in range(1, DESKEWED + 1)]
    recipes = dict.fromkeys(plain, replace(recipe, images="as_given"))
    recipes |= dict.fromkeys(deskewed, replace(recipe, images="deskewed"))
    return Experiment(
        f"ladder{seed}",
        seed,
        (
            f"seed={seed}",
            PLAIN,
            f"train=[{','.join(['default', *recipes])}]",
            *(f"+networks.{name}={_braces(each)}" for name, each in recipes.items()),
        ),
        (f"{PAPER}:ladder",),
        tuple(f"paper/{name}" for name in LADDER_FILES),
    )


def _braces(recipe: Recipe) -> str:
    """A recipe as `--set-param` takes it."""
    return json.dumps(asdict(recipe)).replace('"', "").replace(" ", "")


def _size(images: int, params: Params) -> Experiment:
    """Fewer unsupervised images a digit, and as many updates of the weights."""
    recipe, whole = params.networks["default"], params.split.unsupervised_per_digit
    before, after = (ceil(each / recipe.minibatch_size) for each in (whole, images))
    return Experiment(
        f"images{images}",
        params.seed,
        (
            PLAIN,
            f"split.unsupervised_per_digit={images}",
            f"networks.default.epochs={recipe.epochs * before // after}",
        ),
        ("evaluate",),
        ("metrics.json",),
    )


def _table_two(seed: int) -> Experiment:
    """The paper's own networks and recipes, with their averages, shifts and figures."""
    return Experiment(
        f"seed{seed}",
        seed,
        (
            f"seed={seed}",
            f"train=[{','.join(NETWORKS)}]",
            f"classifier.networks=[{','.join(AVERAGED)}]",
        ),
        ("paper_figures", "shift_normalization"),
        SEED_FILES,
        FIGURES if seed == SEEDS[0] else (),
        timed=NETWORKS,
    )


def _seven_or_nine(seed: int) -> Experiment:
    """The same networks of 7s and 9s alone, the paper's own experiment on shifts."""
    return Experiment(
        f"seven_or_nine{seed}",
        seed,
        (*_table_two(seed).changes, f"split.digits=[{PAIR[0]},{PAIR[1]}]"),
        ("shift_normalization",),
        PAIR_FILES,
    )


def _classes(seed: int, count: int) -> Experiment:
    """The default network of the first so many digits: what a class more changes."""
    return Experiment(
        f"classes{count}",
        seed,
        (PLAIN, f"split.digits=[{','.join(map(str, range(count)))}]"),
        ("evaluate",),
        ("metrics.json",),
        ("calibration.png",) if count == len(DIGITS) else (),
        digests="default",
    )
