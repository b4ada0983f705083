"""Imports: without side effects, as light as each module's work, and one way only."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import hpoe

PACKAGE = Path(hpoe.__file__).parent
MODULES = sorted(
    ".".join(("hpoe", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)

ORDER = (
    (
        *("hpoe", "hpoe.baselines", "hpoe.errors", "hpoe.randomness", "hpoe.normalization"),
        "hpoe.report.text",
    ),
    (
        *("hpoe.files", "hpoe.outages", "hpoe.params", "hpoe.settings", "hpoe.cluster"),
        *("hpoe.progress", "hpoe.products"),
    ),
    (
        *("hpoe.data", "hpoe.data.idx", "hpoe.data.mirrors", "hpoe.tensors", "hpoe.figures"),
        "hpoe.parallel",
    ),
    ("hpoe.data.mnist", "hpoe.rbm", "hpoe.classifier", "hpoe.runs"),
    (
        *("hpoe.data.split", "hpoe.hierarchy", "hpoe.evaluation", "hpoe.weights", "hpoe.nets"),
        "hpoe.joint",
    ),
    (
        *("hpoe.data.usps", "hpoe.fantasies", "hpoe.paper_figures", "hpoe.report_figures"),
        *("hpoe.refitting", "hpoe.warping"),
    ),
    ("hpoe.tasks", "hpoe.scoring", "hpoe.ladder", "hpoe.tracking", "hpoe.results"),
    ("hpoe.training", "hpoe.delivery", "hpoe.experiments"),
    (
        *("hpoe.batched", "hpoe.section_six", "hpoe.replication", "hpoe.report.claims"),
        "hpoe.report.networks",
    ),
    (
        *("hpoe.serving", "hpoe.serving.preprocessing", "hpoe.serving.hierarchies"),
        "hpoe.serving.edges",
    ),
    ("hpoe.serving.images", "hpoe.serving.digit_score", "hpoe.outliers"),
    ("hpoe.serving.recogniser", "hpoe.refusal"),
    ("hpoe.assembly", "hpoe.registry"),
    (
        *("hpoe.stage", "hpoe.checkout", "hpoe.summary", "hpoe.prediction", "hpoe.batch"),
        "hpoe.migration",
    ),
    ("hpoe.sweep",),
    (
        *("hpoe.report.best", "hpoe.report.calibration", "hpoe.report.section_six"),
        *("hpoe.report.shifts", "hpoe.report.sizes", "hpoe.report.table_one"),
        *("hpoe.report.table_two", "hpoe.report.training"),
    ),
    ("hpoe.report",),
    ("hpoe.serving.logs", "hpoe.serving.metrics", "hpoe.serving.records"),
    ("hpoe.serving.champion", "hpoe.serving.edge", "hpoe.serving.replies", "hpoe.serving.watched"),
    ("hpoe.serving.draining", "hpoe.serving.handover"),
    ("hpoe.serving.app", "hpoe.serving.waiting", "hpoe.serving.workers"),
    ("hpoe.serving.following",),
    ("hpoe.serving.server", "hpoe.serving.model"),
    ("hpoe.cli",),
)
"""Modules from the ground up: each imports only from the rows before its own. A module that is not
named here is an entry point, which may import any of them."""

OWN_NEED = {
    name: ["matplotlib"] for name in ("hpoe.figures", "hpoe.paper_figures", "hpoe.report_figures")
}
"""What a module must load at once of the libraries that take long; MLflow even tracking does not
before it tracks."""

MATHS = ("rbm", "hierarchy", "classifier", "normalization", "randomness", "joint", "warping")
NOT_MATHS = {"pathlib", "os", "dvc", "mlflow", "pandas", "pydantic", "hpoe.files", "hpoe.settings"}


def imported_by(module: str, *, lazily: bool = True) -> set[str]:
    """What a module imports, by the names in its source; with what its functions import."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text())
    nodes = ast.walk(tree) if lazily else iter(tree.body)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            assert node.module is not None
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (parts & set(MODULES)) or {node.module}
    return names


def own(names: set[str]) -> set[str]:
    return names & set(MODULES)


def test_imports_go_round_nowhere() -> None:
    """Not even through the imports within functions; but tasks, which travel to the workers, name
    the function that works there."""
    graph = {module: own(imported_by(module)) for module in MODULES}
    graph["hpoe.tasks"] -= {"hpoe.training", "hpoe.batched"}
    order = list(TopologicalSorter(graph).static_order())
    assert sorted(order) == MODULES


def test_imports_of_modules_go_round_nowhere() -> None:
    graph = {module: own(imported_by(module, lazily=False)) for module in MODULES}
    assert sorted(TopologicalSorter(graph).static_order()) == MODULES


@pytest.mark.parametrize("module", [module for row in ORDER for module in row])
def test_a_module_imports_only_from_the_rows_before_its_own(module: str) -> None:
    rows = [set(row) for row in ORDER]
    (at,) = [number for number, row in enumerate(rows) if module in row]
    assert own(imported_by(module, lazily=False)) <= set[str]().union(*rows[:at])


@pytest.mark.parametrize("name", MATHS)
def test_the_maths_knows_no_files_no_dvc_no_mlflow_and_no_tables(name: str) -> None:
    names = imported_by(f"hpoe.{name}")
    roots = {part.split(".")[0] for part in names} | names
    assert not roots & NOT_MATHS


# Side effects. A process with the libraries but none of hpoe forks one child a module: as good as
# fresh, and without a second of torch for each.

SERVER = """
import importlib, json, os, sys, warnings
libraries, modules = json.load(sys.stdin)
for name in libraries:
    importlib.import_module(name)
assert not any(name.split(".")[0] in ("hpoe", "mlflow", "matplotlib") for name in sys.modules)
before = dict(os.environ)
for module in modules:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read) as pipe:
            print(pipe.read(), flush=True)
        os.waitpid(child, 0)
        continue
    os.close(read)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            importlib.import_module(module)
        problem = ""
    except BaseException as error:
        problem = repr(error)
    report = {
        "problem": problem,
        "warnings": [str(warning.message) for warning in caught],
        "files": os.listdir(),
        "environment": dict(os.environ) == before,
        "heavy": [name for name in ("mlflow", "matplotlib") if name in sys.modules],
        "pyplot": "matplotlib.pyplot" in sys.modules,
        "threads": len(os.listdir("/proc/self/task")),
    }
    os.write(write, json.dumps(report).encode())
    os._exit(0)
"""
LIBRARIES = [
    *("joblib", "numpy", "pandas", "pooch", "pydantic_settings", "requests", "rich.progress"),
    *(
        "safetensors.numpy",
        "scipy.linalg.blas",
        "scipy.special",
        "scipy.stats",
        "sklearn.linear_model",
    ),
    *("starlette.applications", "torch", "typer", "uvicorn", "yaml"),
]
"""Loaded beforehand, for they take seconds."""
Reports = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What the import of each module did, in an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", SERVER],
        input=json.dumps([LIBRARIES, MODULES]),
        cwd=tmp_path_factory.mktemp("empty"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(MODULES, found, strict=True))


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"hpoe.serving.model"}))
def test_importing_a_module_does_nothing_else(reports: Reports, module: str) -> None:
    """No file, no warning, no variable, no thread, and no library that only others need; but the
    packaged model, which MLflow runs."""
    assert reports[module] == {
        "problem": "",
        "warnings": [],
        "files": [],
        "environment": True,
        "heavy": OWN_NEED.get(module, []),
        "pyplot": False,
        "threads": 1,
    }


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        (("hpoe.cli", "hpoe.stage", "hpoe.tasks"), ("torch", "sklearn", "mlflow", "matplotlib")),
        (("hpoe.scoring",), ("torch", "sklearn", "mlflow", "matplotlib")),
        (("hpoe.files", "hpoe.errors", "hpoe.parallel"), ("torch", "pandas", "pydantic")),
    ],
)
def test_what_only_hands_work_out_does_without_the_heavy_libraries(
    modules: tuple[str, ...], without: tuple[str, ...]
) -> None:
    code = "import importlib, json, sys; [importlib.import_module(name) for name in sys.argv[1:]];"
    code += "print(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", code, *modules]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert not set(json.loads(done.stdout)) & set(without)
