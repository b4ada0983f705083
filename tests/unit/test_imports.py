"""Imports: one way only, without side effects, and as light as each module's work."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

import hpoe

ROOT = Path(__file__).parents[2]
SOURCES = Path(hpoe.__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("hpoe", "hpoe_recognition")
    for path in sorted((SOURCES / package).rglob("*.py"))
}
ROWS = (
    ("secrets", "hpoe_recognition"),
    ("errors", "labels"),
    ("method",),
    ("hpoe", "files", "params", "settings", "compute"),
    ("reporting",),
    ("data", "tensors", "tracking"),
    ("estimators", "training"),
    ("evaluation",),
    ("registration",),
    ("execution", "project", "serving"),
    ("paper",),
    ("cli",),
    ("__main__",),
)
"""Packages, and the files beside them: each imports only from the rows before its own."""
MEANS = {
    "hpoe",
    "errors",
    "files",
    "params",
    "reporting",
    "secrets",
    "settings",
    "compute",
    "tracking",
    "execution",
}
"""Packages that decide how results are made and kept, never what they are."""


@cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules of hpoe that a file imports, at its head or within functions.

    `hpoe` itself exports the estimators for type checkers; it loads them when they are used.
    """
    names: set[str] = set()
    if path == SOURCES / "hpoe/__init__.py":
        return frozenset(names)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (parts & set(MODULES)) or {str(node.module)}
    return frozenset(names & set(MODULES))


def package(module: str) -> str:
    """The package, or the file beside the packages, to which a module belongs."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if rest and first == "hpoe" else first


@pytest.mark.parametrize("module", MODULES)
def test_a_package_imports_only_from_the_rows_before_its_own(module: str) -> None:
    before: set[str] = set()
    for row in ROWS:
        if package(module) in row:
            break
        before |= set(row)
    allowed = before | {package(module)}
    assert {package(name) for name in imported_by(MODULES[module])} <= allowed


# What a stage depends on, as DVC is told.


def stage_entries() -> list[tuple[str, Path, list[str]]]:
    """Each stage's name, its entry point, and the sources that dvc.yaml says it depends on."""
    found = []
    for path in (ROOT / "dvc.yaml", ROOT / "paper/dvc.yaml"):
        for name, stage in yaml.safe_load(path.read_text())["stages"].items():
            stage = stage.get("do", stage)
            entry = stage["cmd"].partition(" python ")[2].split()[0]
            assert entry in stage["deps"]
            sources = [path for path in stage["deps"] if path.startswith("src/")]
            found.append((name, ROOT / entry, sources))
    return found


def deciding_sources(entry: Path) -> set[str]:
    """The files that decide a stage's results: all that it imports, through whatever it imports."""
    found: set[str] = set()
    left = [*imported_by(entry)]
    while left:
        module = left.pop()
        if module not in found and package(module) not in MEANS:
            found.add(module)
            left += imported_by(MODULES[module])
    return {str(MODULES[module].relative_to(ROOT)) for module in found}


@pytest.mark.parametrize(("name", "entry", "listed"), stage_entries())
def test_dvc_runs_a_stage_again_when_code_that_decides_its_results_changes(
    name: str, entry: Path, listed: list[str]
) -> None:
    """What a stage imports is listed as its dependency, and nothing else is."""
    needed = deciding_sources(entry)
    covers = {
        path: {each for each in needed if each == path or each.startswith(f"{path}/")}
        for path in listed
    }
    assert needed <= set().union(*covers.values()), name
    assert all(covers.values()), name


CYTHON = {"cython_runtime", "_cython_3_2_4"}
"""What numpy's own compiled generators bring along."""


def test_the_mathematics_loads_numpy_and_torch_and_no_other_library() -> None:
    """Not even indirectly; scikit-learn is loaded when a classifier is fitted."""
    modules = [name for name in MODULES if name.startswith("hpoe.method")]
    script = (
        "import importlib, sys; import numpy.random, torch; before = set(sys.modules);"
        "[importlib.import_module(name) for name in sys.argv[1:]];"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    own = {"hpoe", "hpoe_recognition", "numpy"}
    assert set(done.stdout.split()) - sys.stdlib_module_names - own <= CYTHON


# Side effects

IMPORTS = """
import importlib, json, os, psutil, sys, warnings
libraries, modules, heavy = json.load(sys.stdin)
for name in libraries:
    importlib.import_module(name)

def state():
    loaded = [name for name in heavy if name in sys.modules]
    return [os.listdir(), dict(os.environ), psutil.Process().num_threads(), loaded]

before = state()
warnings.simplefilter("error")
for module in modules:
    importlib.import_module(module)
    assert state() == before, f"{module}: {before} became {state()}"
"""
LIBRARIES = [
    *("joblib", "numpy", "pandas", "pooch", "pydantic_settings", "requests", "rich.progress"),
    *("safetensors.numpy", "scipy.special", "scipy.stats", "sklearn.linear_model"),
    *("starlette.applications", "torch", "typer", "uvicorn", "yaml"),
]
"""Loaded beforehand, for they take seconds."""
FIGURES = {name for name in MODULES if name.endswith((".figures", ".drawing"))}
"""Modules that need matplotlib at once; the others load it, and MLflow, where they use them."""
PYFUNCS = {"hpoe_recognition.pyfunc", "hpoe.estimators.pyfunc"}
"""Files that MLflow runs."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (set(MODULES) - FIGURES - PYFUNCS, ["mlflow", "matplotlib"]),
        (FIGURES, ["mlflow", "matplotlib.pyplot"]),
    ],
    ids=["no figures", "figures"],
)
def test_importing_a_module_does_nothing_else(
    tmp_path: Path, modules: set[str], heavy: list[str]
) -> None:
    """No file, no warning, no variable, no thread, and no library that only others need."""
    given = json.dumps([LIBRARIES, sorted(modules), heavy])
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, input=given, cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        (
            ("hpoe.cli", "hpoe.execution.stage", "hpoe.training.tasks", "hpoe.evaluation.scoring"),
            ("torch", "sklearn", "mlflow", "matplotlib"),
        ),
        (("hpoe.files", "hpoe.errors", "hpoe.compute.parallel"), ("torch", "pandas", "pydantic")),
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
