"""The command `hpoe`: everything that is not a stage of the pipeline."""

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer

from hpoe import __version__
from hpoe.errors import DataError, ProjectError, SettingsError
from hpoe.params import load_params
from hpoe.reporting import console, report_errors, say, say_error
from hpoe.settings import load_settings

RUNS_PAGE = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"

app = typer.Typer(no_args_is_help=True, add_completion=False)


def command(main: Callable[..., None]) -> Callable[..., None]:
    """Add a command, which reports errors and runs in the root of the project that it is called in.

    Paths on the command line are those of the folder in which it is called.
    """

    @wraps(main)
    def in_project(**arguments: object) -> None:
        here = Path.cwd()
        root = next(filter(_is_project, (here, *here.parents)), None)
        if root is None and not (load_settings().tracking_uri or Path("mlruns/mlflow.db").exists()):
            raise SettingsError(
                f"{here} is not in an hpoe project: change to one, or set MLFLOW_TRACKING_URI to "
                "the address of a tracking server"
            )
        if root is not None and root != here:
            start = here.relative_to(root)
            arguments = {name: _from(start, value) for name, value in arguments.items()}
            os.chdir(root)
        main(**arguments)

    return app.command()(report_errors(in_project))


def _is_project(folder: Path) -> bool:
    """Whether a folder is the root of a project, or of hpoe's own repository."""
    files = [(folder / name).is_file() for name in ("dvc.yaml", "params.yaml")]
    return all(files) and any((folder / name).exists() for name in ("code.json", "pipelines"))


def _need_paper() -> None:
    """Check that this is hpoe's own repository, which has the paper's experiments.

    Raises:
        ProjectError: it is a user's project.
    """
    if not Path("paper/dvc.yaml").exists():
        raise ProjectError(
            f"{Path.cwd()} has no experiments of the paper: run this command in a clone of hpoe"
        )


def _from(folder: Path, argument: object) -> object:
    """Return an argument, with a path in it made one that begins in a folder."""
    if isinstance(argument, list):
        return [_from(folder, each) for each in argument]
    return folder / argument if isinstance(argument, Path) else argument


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hpoe {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Hierarchical products of experts: what `dvc repro` does not do itself."""


@app.command()
@report_errors
def init(
    folder: Annotated[Path, typer.Argument(help="New folder of the project.")],
    images: Annotated[
        Path,
        typer.Option("--images", help="Labelled images: a folder with one subfolder per class."),
    ],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images into the project; DVC tracks them.")
    ] = False,
) -> None:
    """Make a project for images of your own, after a look at them."""
    from hpoe.project.creation import create

    create(folder, images, copy=copy, say=say)


@command
def check() -> None:
    """Check params.yaml and the HPOE_* settings, without running anything."""
    from hpoe.compute.cluster import import_ray
    from hpoe.compute.parallel import check_memory
    from hpoe.data.mirrors import check_local
    from hpoe.data.mnist import MNIST
    from hpoe.data.usps import USPS
    from hpoe.project.code import CODE
    from hpoe.project.versions import stage_warning
    from hpoe.tracking.store import check_address
    from hpoe.training.dispatch import find_device

    path, settings = load_params().data.path, load_settings()
    check_address(settings.tracking_uri)
    if path is None:
        check_local(MNIST, settings.mnist_dir)
        check_local(USPS, settings.usps_dir)
    elif not Path(path).exists():
        raise DataError(f"data.path is {path}, which does not exist: correct it in params.yaml")
    if CODE.exists() and (warning := stage_warning()):
        say(warning)
    if settings.ray_address is not None:
        import_ray(settings.ray_address)
    elif find_device(settings) == "cpu":
        check_memory(settings.workers)


@command
def summary() -> None:
    """Show the results of the last execution: errors, seconds per stage, where to find more."""
    from hpoe.execution.summary import error_table, stage_table

    console.print(stage_table(load_params()))
    console.print(error_table())
    say("Figures: reports/figures")
    say(f"Runs: {load_settings().tracking_uri or f'`hpoe ui`, then open {RUNS_PAGE}'}")


@command
def sync() -> None:
    """Deliver runs that a tracking store lacks, and register the trained model; train nothing."""
    from hpoe.execution.synchronisation import synchronise

    synchronise(load_params(), load_settings(), say)


@command
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Open the MLflow UI on the runs of the embedded store, until Ctrl-C."""
    from hpoe.tracking.store import run_ui

    run_ui(load_settings().tracking_uri, port)


@command
def push_runs() -> None:
    """Copy the runs and models of mlruns/mlflow.db to the server of MLFLOW_TRACKING_URI."""
    from hpoe.registration.migration import push

    push(load_settings().tracking_uri, say)


@command
def checkout(
    run: Annotated[str, typer.Argument(help="ID of a run in MLflow, or of one of its child runs.")],
) -> None:
    """Restore the commit, params and outputs that made a run; refuse where work would be lost."""
    from hpoe.execution.checkout import restore

    restore(run, load_settings(), say)


@command
def replicate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments, such as seed1 ladder2 (default: all).")
    ] = None,
) -> None:
    """Run the paper's experiments (hours); if interrupted, run it again to resume."""
    from hpoe.paper import replication

    _need_paper()
    params = load_params()
    replication.replicate(names or [], load_settings(), params, Path.cwd(), say)


@command
def sweep(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Networks, each trained alone; default: those of params.yaml."),
    ] = None,
    set_param: Annotated[
        list[str] | None,
        typer.Option("--set-param", "-S", help="Values to combine, as seed=1,2,3; repeatable."),
    ] = None,
) -> None:
    """Run the pipeline up to its errors for all combinations of networks and values.

    All digits are trained in one pool. If interrupted, run the same command again to resume.
    """
    from hpoe.execution.sweep import result_table, sweep

    results = sweep(networks or [], set_param or [], load_settings())
    console.print(result_table(results))


@command
def report() -> None:
    """Write docs/replication.md from the kept results, without training."""
    from hpoe.paper.report import write_report
    from hpoe.paper.results import RESULTS, load_results

    _need_paper()
    write_report(load_results(Path.cwd()), load_params(), Path.cwd())
    say(f"docs/replication.md written from the results in {RESULTS}")


@command
def models() -> None:
    """Show the versions of the registered model: aliases, errors, where they come from."""
    from hpoe.execution.summary import version_table
    from hpoe.registration.registry import Registry

    registry = Registry(load_settings().tracking_uri)
    console.print(version_table(registry.name, registry.versions()))


@command
def promote(
    version: Annotated[int, typer.Argument(help="Number of a version, as `hpoe models` shows.")],
) -> None:
    """Make a version the champion, whatever the gate said.

    Servers take it at their next start; those that run with --follow, at once.
    """
    from hpoe.registration.registry import Registry

    Registry(load_settings().tracking_uri).promote(version)
    say(f"version {version} is the champion")


@command
def rollback() -> None:
    """Make the previous champion the champion again."""
    from hpoe.registration.registry import Registry

    version = Registry(load_settings().tracking_uri).rollback()
    say(f"version {version} is the champion again")


@command
def predict(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")] = False,
) -> None:
    """Recognise image files with the champion; exit code 1 if a file has no answer."""
    from hpoe.serving.files import answer_table, answers, error_lines, image_files, json_lines

    found = answers(load_settings().tracking_uri, image_files(paths))
    if as_json:
        for line in json_lines(found):
            typer.echo(line)
    elif any("error" not in answer for answer in found.values()):
        console.print(answer_table(found))
    errors = error_lines(found)
    for line in errors:
        say_error(line)
    if errors:
        raise typer.Exit(1)


@command
def score(
    source: Annotated[Path, typer.Argument(help="Parquet file with a column `image`: base64.")],
    target: Annotated[Path, typer.Argument(help="Parquet file to write.")],
) -> None:
    """Recognise the images of a Parquet file with the champion, in bounded memory."""
    from hpoe.compute.progress import row_progress
    from hpoe.serving.parquet import score_file

    settings, start = load_settings(), time.monotonic()
    with row_progress(console) as show:
        done = score_file(settings.tracking_uri, source, target, settings.workers, show)
    seconds = time.monotonic() - start
    say(f"{target}: {done.rows:,} images in {seconds:,.0f} s")
    if done.unanswered:
        say(
            f"{done.unanswered:,} of them have no answer, the column `error` says why; {done.first}"
        )


@command
def serve(
    host: Annotated[str | None, typer.Option(help="Address; HPOE_SERVE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="HPOE_SERVE_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="HPOE_SERVE_WORKERS.")] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            help="Wait for a champion, go over to the next; HPOE_SERVE_FOLLOW.",
        ),
    ] = None,
) -> None:
    """Serve the champion over REST, and in a browser at /."""
    from hpoe.serving.server import serve

    settings = load_settings(
        serve_host=host, serve_port=port, serve_workers=workers, serve_follow=follow
    )
    serve(settings, say)
