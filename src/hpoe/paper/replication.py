"""The paper's experiments: runs of the pipeline with other params, whose small results are kept.

Each experiment has a folder of small files, so that the report is written without training.
"""

import json
import re
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
    LADDER,
    LADDER_PREDICTIONS,
    METRICS,
    NETWORKS,
    PREDICTIONS,
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
"""Networks of the default recipe that the ablation averages: on images as given, and deskewed."""
DIGITS = range(10)
SIZES = (50, 150, 500, 1500, 4400)
"""Unsupervised images per digit."""
METHODS = tuple(BASELINES)
FIGURES = (
    *(f"paper/figure{number}.png" for number in range(1, 7)),
    "misclassified.png",
    "shift_normalization.png",
    "shift_mended.png",
)
"""Files of reports/figures that are kept of the first seed."""
PAPER = "paper/dvc.yaml"


@dataclass(frozen=True)
class Experiment:
    """A run of the pipeline with other params, and what is kept of it."""

    name: str
    """Name of its folder in docs/replication."""
    seed: int
    changes: tuple[str, ...]
    """What is set in params.yaml, as `dvc exp run --set-param` takes it."""
    targets: tuple[str, ...]
    """Stages to run."""
    kept: tuple[str, ...]
    """Files of reports/ to keep."""
    figures: tuple[str, ...] = ()
    """Files of reports/figures/ to keep."""
    timed: tuple[str, ...] = ()
    """Networks whose training times are kept."""
    digests: str = ""
    """The network whose RBMs' digests are kept."""

    @property
    def revision(self) -> str:
        """Name of the DVC experiment."""
        return f"paper-{self.name}"


def replicate(
    names: Sequence[str],
    settings: Settings,
    params: Params,
    root: Path,
    say: Callable[[str], None],
) -> None:
    """Run experiments in a copy of the repository, all if none are named; keep small results.

    Without USPS, section 6 is run on MNIST alone.

    Raises:
        ReplicationError: there is no experiment of a name, or a run failed; the next run resumes
            from what it trained.
    """
    known = [each.name for each in experiments(params, [])]
    if unknown := [name for name in names if name not in known]:
        raise ReplicationError(
            f"there is no experiment {unknown[0]!r}: choose from {', '.join(known)}"
        )
    if find_device(settings) != "cpu":
        raise ReplicationError(
            "the replication reports how long one core trains, but HPOE_DEVICE selects a GPU: set "
            "it to cpu"
        )
    environment, data_sets = experiment_environment(settings), ["mnist"]
    environment["HPOE_USPS_DIR"] = str(settings.state_dir.resolve() / "usps")
    try:
        usps.fetch(Path(environment["HPOE_USPS_DIR"]), settings.usps_dir, say)
        data_sets.append("usps")
    except DataError as error:
        say(f"{error}; section 6 is run without USPS")
    for experiment in experiments(params, data_sets):
        if names and experiment.name not in names:
            continue
        say(f"{experiment.name}: {', '.join(experiment.changes) or 'params as they are'}")
        if not run_experiment(
            experiment.revision,
            experiment.changes,
            experiment.targets,
            root=root,
            folder=settings.state_dir / "experiments",
            environment=environment,
        ):
            raise ReplicationError(
                f"{experiment.name} failed, the lines above say why; run the same command again to "
                "resume from the last checkpoint"
            )
        keep(experiment, root)


def experiments(params: Params, data_sets: Sequence[str]) -> list[Experiment]:
    """List everything that is replicated, the longest experiments last."""
    return [
        _others(params.seed, data_sets),
        *(_ablation(seed, params.networks["default"].recipe) for seed in SEEDS),
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
        write_bytes(target, read(source, repo=str(root), rev=experiment.revision, mode="rb"))
    if experiment.timed:
        write_json(folder / SECONDS, _core_seconds(experiment, root))
    if experiment.digests:
        write_json(folder / DIGESTS, _digests(experiment, root))
    write_json(folder / RECORD, {"format": FORMAT, "seed": experiment.seed})


def _core_seconds(experiment: Experiment, root: Path) -> dict[str, Any]:
    """Seconds that one core needs for each layer of each network, and the processor's name."""
    seconds: dict[str, Any] = {}
    for network in experiment.timed:
        paths = [record_path(f"train_layer{layer}", network) for layer in LAYERS]
        texts = [read_result(path, experiment.revision, root) for path in paths]
        records = [StageRecord.model_validate_json(text) for text in texts]
        seconds[network] = [record.stage.metrics["core_seconds"] for record in records]
        processor = records[0].pipeline.tags["processor"]
    return {"processor": processor, **seconds}


def _digests(experiment: Experiment, root: Path) -> dict[str, str]:
    """DVC's digests of a network's RBMs, by path."""
    from dvc.api import DVCFileSystem

    files = DVCFileSystem(url=str(root), rev=experiment.revision)
    found = files.find(f"models/{experiment.digests}", detail=True)
    return {
        path: info["dvc_info"]["md5"]
        for path, info in sorted(found.items())
        if path.endswith(".safetensors")
    }


def _others(seed: int, data_sets: Sequence[str]) -> Experiment:
    """Table 1's other methods, and section 6."""
    stages = [f"baseline@{method}" for method in METHODS]
    stages += [f"{model}@{name}" for name in data_sets for model in ("shared_model", "joint_model")]
    return Experiment(
        "others",
        seed,
        changes=(),
        targets=tuple(f"{PAPER}:{stage}" for stage in stages),
        kept=tuple(f"paper/{stage.replace('@', '_')}.json" for stage in stages),
    )


def _ablation(seed: int, recipe: Recipe) -> Experiment:
    """Several networks of the default recipe, on images as given and on deskewed ones."""
    plain, deskewed = replace(recipe, images="as_given"), replace(recipe, images="deskewed")
    recipes = {f"default{copy}": plain for copy in range(2, COPIES + 1)}
    recipes |= {f"deskewed{copy}": deskewed for copy in range(1, DESKEWED + 1)}
    added = [f"+networks.{name}={json.dumps(asdict(each))}" for name, each in recipes.items()]
    return Experiment(
        f"ladder{seed}",
        seed,
        changes=(
            f"seed={seed}",
            PLAIN,
            f"train=[{','.join(['default', *recipes])}]",
            *(re.sub('[" ]', "", each) for each in added),  # as `--set-param` takes them
        ),
        targets=(f"{PAPER}:ladder",),
        kept=(f"paper/{LADDER}", f"paper/{LADDER_PREDICTIONS}"),
    )


def _size(images: int, params: Params) -> Experiment:
    """Fewer unsupervised images per digit, and as many weight updates."""
    recipe, whole = params.networks["default"], params.split.unsupervised_per_class
    before, after = (ceil(each / recipe.minibatch_size) for each in (whole, images))
    epochs = recipe.epochs * before // after
    return Experiment(
        f"images{images}",
        params.seed,
        changes=(
            PLAIN,
            f"split.unsupervised_per_class={images}",
            f"networks.default.epochs={epochs}",
        ),
        targets=("evaluate",),
        kept=(METRICS,),
    )


def _table_two(seed: int) -> Experiment:
    """The paper's own networks and recipes, with their averages, shifts and figures."""
    return Experiment(
        f"seed{seed}",
        seed,
        changes=(
            f"seed={seed}",
            f"train=[{','.join(NETWORKS)}]",
            f"classifier.networks=[{','.join(AVERAGED)}]",
        ),
        targets=("paper_figures", "shift_normalization"),
        kept=SEED_FILES,
        figures=FIGURES if seed == SEEDS[0] else (),
        timed=NETWORKS,
    )


def _seven_or_nine(seed: int) -> Experiment:
    """The same networks of 7s and 9s alone, the paper's own experiment on shifts."""
    return Experiment(
        f"seven_or_nine{seed}",
        seed,
        changes=(*_table_two(seed).changes, "split.classes=[7,9]"),
        targets=("shift_normalization",),
        kept=(PREDICTIONS,),
    )


def _classes(seed: int, n_classes: int) -> Experiment:
    """The default network of the first digits, to see what an additional class changes."""
    return Experiment(
        f"classes{n_classes}",
        seed,
        changes=(PLAIN, f"split.classes=[{','.join(map(str, range(n_classes)))}]"),
        targets=("evaluate",),
        kept=(METRICS,),
        figures=("calibration.png",) if n_classes == len(DIGITS) else (),
        digests="default",
    )
