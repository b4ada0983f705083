"""What `dvc repro` runs again, and what stands in MLflow after it: one story on one small project.

The tests of this file go on from each other's state, in order, since a pipeline takes a while.
"""

import json
import re
import shlex
from collections.abc import Iterator

import pandas as pd
import pytest
import yaml
from dvc.api import DVCFileSystem
from mlflow import MlflowClient
from mlflow.entities import Run

from hpoe.data.split import load_class, save_class
from tests.pipeline.classes import check_answers, check_page, serving
from tests.pipeline.project import ROOT, SMALL, Project, stages_run
from tests.programs import require
from tests.serving.running import Server

pytestmark = pytest.mark.slow
LAYERS = ["train_layer1", "train_layer2", "train_layer3"]
ALL_STAGES = [
    "download",
    "split",
    *(f"{layer}@default" for layer in LAYERS),
    "extract_goodness@default",
    "select_networks",
    "fit_classifier",
    "evaluate",
    "paper_figures",
    "shift_normalization",
    "register",
    "publish",
]
UNTRACKED = {"select_networks", "publish"}
"""Stages without a run of their own, because they compute no result."""
NINE = list("123456789")
CURVES = {
    "reconstruction_error",
    "goodness_train",
    "goodness_heldout",
    "mean_hidden_activity",
    "weight_norm",
}


@pytest.fixture(scope="module")
def built(project: Project) -> Project:
    """The project after its first `dvc repro`."""
    assert sorted(project.repro()) == sorted(ALL_STAGES)  # DVC orders what does not hang together
    lock = project.root / "dvc.lock"
    ours = lock.read_text()
    elsewhere = yaml.safe_load(ours)
    elsewhere["stages"]["fit_classifier"]["outs"][0]["md5"] = f"{'f' * 32}.dir"
    lock.write_text(yaml.safe_dump(elsewhere))  # what a clone has: outputs of another machine
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message=first")
    lock.write_text(ours)
    return project


def client(project: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project.root}/mlruns/mlflow.db")


def runs(project: Project, parent: str | None) -> list[Run]:
    """The runs directly under a run, oldest first; the top-level ones for None."""
    store = client(project)
    experiment = store.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    every = store.search_runs([experiment.experiment_id], order_by=["start_time"])
    return [run for run in every if run.data.tags.get("mlflow.parentRunId") == parent]


def test_the_first_run_leaves_metrics_that_its_predictions_confirm(built: Project) -> None:
    metrics = json.loads((built.root / "reports/metrics.json").read_text())
    predictions = pd.read_parquet(built.root / "reports/predictions.parquet")
    assert (predictions["set"] == "test").sum() == 500
    for name in ("validation", "test"):
        part = predictions[predictions["set"] == name]
        assert metrics[f"{name}_error_rate"] == (part["prediction"] != part["label"]).mean()
    assert metrics["test_error_rate_low"] < metrics["test_error_rate"] < 0.4
    nets = {"logistic_regression", "gradient_ascent", "one_layer", "two_layers"}
    assert set(metrics["default"]) == nets


def test_the_predictions_of_every_network_confirm_the_shifts_metrics(built: Project) -> None:
    metrics = json.loads((built.root / "reports/shift_normalization.json").read_text())
    predictions = pd.read_csv(built.root / "reports/all_predictions.csv")
    for name in ("validation", "test"):
        part = predictions[predictions["set"] == name]
        for choice, ending in (("as_given", ""), ("maximum", "_maximum"), ("soft", "_soft")):
            rate = (part[f"default{ending}"] != part["label"]).mean()
            assert metrics["default"][choice][f"{name}_error_rate"] == rate
            assert metrics[choice][f"{name}_error_rate"] == rate


def test_one_top_level_run_holds_the_results_and_one_run_per_stage(built: Project) -> None:
    (top,) = runs(built, None)
    metrics = json.loads((built.root / "reports/metrics.json").read_text())
    assert top.info.status == "FINISHED"
    assert top.data.metrics["test_error_rate"] == metrics["test_error_rate"]
    assert "soft_shifts_test_error_rate" in top.data.metrics
    assert top.data.params["networks.default.epochs"] == "4"
    figures = {item.path for item in client(built).list_artifacts(top.info.run_id, "figures")}
    assert {"figures/receptive_fields.png", "figures/shift_normalization.png"} <= figures
    assert "reused" not in top.data.tags
    names = sorted(str(run.info.run_name) for run in runs(built, top.info.run_id))
    assert names == sorted(set(ALL_STAGES) - UNTRACKED)


def test_every_digit_run_has_one_point_per_epoch_of_every_curve(built: Project) -> None:
    store, (top,) = client(built), runs(built, None)
    stages = [
        r for r in runs(built, top.info.run_id) if (r.info.run_name or "").startswith("train")
    ]
    digits = [digit for stage in stages for digit in runs(built, stage.info.run_id)]
    assert len(digits) == 30
    files = DVCFileSystem(url=str(built.root)).find("data/split", detail=True).values()
    digests = {file["dvc_info"]["md5"] for file in files}
    for digit in digits:
        assert set(digit.data.metrics) == CURVES
        for key in CURVES:
            history = store.get_metric_history(digit.info.run_id, key)
            assert sorted(point.step for point in history) == [1, 2, 3, 4]
        assert digit.inputs is not None
        (dataset,) = digit.inputs.dataset_inputs
        assert dataset.dataset.digest in digests


def test_a_second_repro_runs_no_stage_and_the_results_are_shown(built: Project) -> None:
    assert built.repro() == []
    assert "soft shifts" in built.run("hpoe", "summary")
    assert "index.html" in built.run("dvc", "plots", "show")


def test_the_commands_of_the_readme_do_what_it_says(built: Project) -> None:
    """The blocks that name this test, one after another; those of `make` are the gate's."""
    marked = r"<!-- run by test_the_commands_of_the_readme_do_what_it_says -->\n```bash\n(.*?)```"
    blocks = re.findall(marked, (ROOT / "README.md").read_text(), re.DOTALL)
    change, back = (block.splitlines()[1:] for block in blocks)
    said = [built.run(*shlex.split(command)) for command in change]
    assert set(stages_run(said[0])) == set(ALL_STAGES) - {"download", "split", "select_networks"}
    assert built.params()["networks"]["default"]["epochs"] == 10
    assert "networks.default.epochs" in said[1]
    assert "test_error_rate" in said[2]
    assert "networks.default.epochs" in built.run("dvc", "exp", "show", "--csv")
    *_, repro = [built.run(*shlex.split(command)) for command in back]
    assert stages_run(repro) == []
    assert built.params() == SMALL


def test_checkout_goes_back_to_the_state_of_a_run_and_loses_no_work(built: Project) -> None:
    """To that of the readme's experiment, whose later stages alone have run."""
    first, second = runs(built, None)
    reused = second.data.tags["reused/split"]
    assert client(built).get_run(reused).data.tags["mlflow.parentRunId"] == first.info.run_id
    built.change(seed=2)
    refused = built.run("hpoe", "checkout", second.info.run_id, expect=1)
    assert "params.yaml changed since the last commit, and would be lost" in refused
    built.change(seed=1)
    built.run("hpoe", "checkout", second.info.run_id)
    assert built.params()["networks"]["default"]["epochs"] == 10
    metrics = json.loads((built.root / "reports/metrics.json").read_text())
    assert metrics["test_error_rate"] == second.data.metrics["test_error_rate"]
    built.run("git", "switch", "--quiet", "--discard-changes", "main")
    # The committed lock names an output of fit_classifier from elsewhere.
    assert set(built.repro()) <= {"fit_classifier", "publish"}
    assert len(runs(built, None)) == 2


def figures_and_tables(project: Project, top: Run) -> set[str]:
    store = client(project)
    return {
        item.path
        for folder in ("figures", "figures/paper", "tables")
        for item in store.list_artifacts(top.info.run_id, folder)
    }


def test_an_execution_whose_later_stages_are_not_run_shows_their_results_as_reused(
    built: Project,
) -> None:
    """After a change of code that leaves the trained bytes alike, and of what only registers."""
    first, script = runs(built, None)[0], built.root / "pipelines/train_layer.py"
    text, stages = script.read_text(), [f"{layer}@default" for layer in LAYERS]
    script.write_text(f"{text}# the same weights\n")
    assert built.repro() == [*stages, "publish"]
    script.write_text(text)
    assert built.repro() == []
    built.change(registration={**SMALL["registration"], "significance": 0.01})
    assert built.repro() == ["register", "publish"]
    for top, ran in zip(runs(built, None)[-2:], ({*stages}, {"register"}), strict=True):
        assert top.info.status == "FINISHED"
        assert top.data.metrics == first.data.metrics
        assert figures_and_tables(built, top) == figures_and_tables(built, first)
        reused = set(ALL_STAGES) - UNTRACKED - ran
        assert set(top.data.tags["reused"].split(", ")) == reused
        linked = client(built).get_run(top.data.tags["reused/evaluate"])
        assert linked.info.run_name == "evaluate"
        assert linked.data.tags["mlflow.parentRunId"] == first.info.run_id
    built.change(**SMALL)
    assert built.repro() == []


def test_dvcs_own_commands_see_a_finished_pipeline_and_nothing_of_the_papers(
    built: Project,
) -> None:
    def is_clean() -> None:
        for command in (("status",), ("checkout",), ("dag",)):
            said = built.run("dvc", *command)
            assert "WARNING" not in said
            assert "paper/dvc.yaml" not in said
        assert built.run("dvc", "status") == "Data and pipelines are up to date.\n"

    is_clean()
    built.run("dvc", "exp", "run", "--name", "darker", "-S", "registration.significance=0.02")
    built.run("git", "checkout", "--quiet", "params.yaml")
    assert built.repro() == []
    assert "WARNING" not in built.run("dvc", "exp", "apply", "darker")
    assert built.params()["registration"]["significance"] == 0.02
    is_clean()
    built.run("git", "checkout", "--quiet", "params.yaml")
    assert built.repro() == []


def test_a_network_that_comes_and_goes_trains_only_itself_and_then_nothing_runs_again(
    built: Project,
) -> None:
    networks = ["default", "other"]
    both = {"train": networks, "classifier": {**SMALL["classifier"], "networks": networks}}
    built.change(**both)
    stages = built.repro("evaluate")
    assert [stage for stage in stages if stage.endswith("@default")] == []
    assert [f"{layer}@other" for layer in LAYERS] == [s for s in stages if s.startswith("train")]
    metrics = json.loads((built.root / "reports/metrics.json").read_text())
    assert {"default", "other", "default_and_other"} <= set(metrics)
    built.change(**SMALL)
    assert built.repro() == ["select_networks"]
    assert built.run("dvc", "status") == "Data and pipelines are up to date.\n"
    built.change(**both)
    assert built.repro("evaluate") == ["select_networks"]
    built.run("hpoe", "checkout", runs(built, None)[1].info.run_id)
    built.run("git", "switch", "--quiet", "--discard-changes", "main")
    assert set(built.repro()) <= {"fit_classifier", "publish", "select_networks"}


@pytest.fixture(scope="module")
def nine(built: Project) -> Project:
    """The project after a pipeline without the digit 0, its model promoted by hand."""
    built.change(seed=3, split={**SMALL["split"], "classes": NINE})
    output = built.run("dvc", "repro")
    assert output.count(" trained: ") == 27
    assert "stays the champion: only the champion knows the classes 0" in output
    found = re.search(r"version (\d+) registered", output)
    assert found is not None, output
    built.run("hpoe", "promote", found[1])
    return built


@pytest.fixture(scope="module")
def server(nine: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the nine digits' model."""
    with serving(nine, tmp_path_factory.mktemp("server")) as server:
        yield server


def test_nine_digits_are_answered(server: Server, nine: Project) -> None:
    check_answers(server, nine, NINE)


def test_the_page_shows_nine_digits(server: Server) -> None:
    require("chromium")
    check_page(server, NINE)


def test_a_class_more_trains_its_own_rbms_and_leaves_the_others_as_they_are(nine: Project) -> None:
    before = {name: each for name, each in nine.weights().items() if name.startswith("default/")}
    assert len(before) == 27
    nine.change(seed=3, split=SMALL["split"])
    output = nine.run("dvc", "repro", f"{LAYERS[-1]}@default")
    assert output.count(" trained: ") == output.count("class 0 trained: ") == 3
    after = nine.weights()
    assert {name: after[name] for name in before} == before


def test_a_rollback_brings_the_former_champion_back(nine: Project) -> None:
    assert "is the champion again" in nine.run("hpoe", "rollback")


def test_other_images_of_one_class_train_three_rbms(built: Project) -> None:
    before = built.weights()
    split = built.root / "data/split"
    images = load_class(split, "3")
    flipped = images.unsupervised[:, :, ::-1].copy()
    save_class(split, "3", type(images)(**{**vars(images), "unsupervised": flipped}))
    built.run("dvc", "commit", "--force", "split")
    output = built.run("dvc", "repro", f"{LAYERS[-1]}@default")
    assert output.count(" trained: ") == 3
    assert output.count("class 3 trained: ") == 3
    changed = {name for name, content in built.weights().items() if content != before[name]}
    assert changed == {f"default/layer{layer}/3.safetensors" for layer in (1, 2, 3)}
