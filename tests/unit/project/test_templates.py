"""What `hpoe init` writes: the pipeline of this repository, and params and a README that fit."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpoe.data.inspection import Findings
from hpoe.params import load_params
from hpoe.project.creation import MANY, project_name, write_files
from tests.unit.project.conftest import found
from tests.unit.project.derivation import (
    LEFT_OUT,
    ROOT,
    SOURCES,
    TEMPLATE,
    pipeline,
    sources,
)

WRITE = "run `python -m tests.unit.project.derivation`"


def stages(path: Path) -> dict[str, Any]:
    """The stages of a dvc.yaml."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())["stages"]
    return content


def written(folder: Path, findings: Findings, path: str = "/pictures") -> Path:
    """A folder with the files of a project."""
    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder, findings, path, copied=False)
    return folder


def test_the_pipeline_of_a_project_is_the_one_of_this_repository() -> None:
    assert TEMPLATE.read_text() == pipeline(), WRITE
    assert json.loads(SOURCES.read_text()) == sources(), WRITE


@pytest.mark.parametrize("name", list(stages(ROOT / "dvc.yaml")))
def test_a_stage_of_a_project_has_the_dependencies_params_and_outputs_of_this_repositorys(
    name: str,
) -> None:
    """Compared as YAML, apart from the text from which it is derived."""
    own, project = stages(ROOT / "dvc.yaml")[name], stages(TEMPLATE).get(name)
    if name in LEFT_OUT:
        assert project is None
        return
    assert project is not None
    for kind in ("outs", "metrics", "plots", "matrix"):
        assert project.get(kind) == own.get(kind)
    data = [each for each in own["deps"] if not each.startswith(("src/", "pipelines/"))]
    assert project.get("deps", []) == [
        "${data.path}" if each == "data/raw" else each for each in data
    ]
    assert project["params"] == [{"code.json": [name]}, *own.get("params", [])]
    module = Path(own["cmd"].split()[2]).stem
    assert project["cmd"].split()[:3] == ["python", "-m", f"hpoe.pipelines.{module}"]
    assert project["cmd"].split()[3:] == own["cmd"].split()[3:]


def test_all_code_that_a_stage_depends_on_is_among_its_sources() -> None:
    listed = json.loads(SOURCES.read_text())
    for name, stage in stages(ROOT / "dvc.yaml").items():
        if name not in LEFT_OUT:
            code = [path for path in stage["deps"] if path.startswith(("src/", "pipelines/"))]
            assert [Path("src") / path for path in listed[name]] == [
                Path("src/hpoe") / path if path.startswith("pipelines/") else Path(path)
                for path in code
            ]
            assert all((ROOT / "src" / path).exists() for path in listed[name])


def test_the_params_are_valid_and_have_the_proposed_values(tmp_path: Path) -> None:
    params = load_params(written(tmp_path / "my symbols", found()) / "params.yaml")
    assert params.name == "my-symbols"
    assert params.data.path == "/pictures"
    assert params.data.image_size == (20, 28)
    assert params.data.preparation == "ink"
    assert params.split.test == 0.2
    assert params.split.shuffle


def test_every_param_of_this_repository_is_in_those_of_a_project(tmp_path: Path) -> None:
    """But for the paper's own networks."""

    def keys(tree: Any) -> Any:
        return {key: keys(value) for key, value in tree.items()} if isinstance(tree, dict) else None

    own = yaml.safe_load((ROOT / "params.yaml").read_text())
    own["networks"] = {"default": {"min_updates": None, **own["networks"]["default"]}}
    made = yaml.safe_load((written(tmp_path, found()) / "params.yaml").read_text())
    assert keys(made) == keys(own)


@pytest.mark.parametrize(("images", "units"), [(MANY, 500), (MANY - 1, 100), (12, 100)])
def test_units_are_chosen_by_the_images_of_a_typical_class(
    tmp_path: Path, images: int, units: int
) -> None:
    counts = {"few": 11, "typical": images, "many": 9000}
    params = load_params(written(tmp_path, found(classes=counts)) / "params.yaml")
    assert params.networks["default"].units == (units,) * 3


@pytest.mark.parametrize(
    "path",
    [
        "/home/ü/my pictures",
        "/a: b # c",
        "/it's",
        '/say "x"',
        "/null",
        "/[1, 2]",
        "/%41{x}",
        "/日本",
    ],
)
def test_a_path_of_any_characters_is_written_so_that_yaml_reads_it(
    tmp_path: Path, path: str
) -> None:
    params = load_params(written(tmp_path, found(), path) / "params.yaml")
    assert params.data.path == path


@pytest.mark.parametrize("column", ["label", "yes", "1", "Größe: x", "null"])
def test_columns_of_a_table_stay_text(tmp_path: Path, column: str) -> None:
    columns = {"image": "image", "label": column, "group": None}
    made = written(tmp_path, found(source="table", columns=columns))
    table = load_params(made / "params.yaml").data.columns
    assert table is not None
    assert (table.label, table.group) == (column, None)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("symbols", "symbols"),
        ("50%41 (new)", "50-41-new"),
        ("map symbols", "map-symbols"),
        ("символы", "символы"),
        ('it\'s "x": y/z', "it-s-x-y-z"),
        (".hidden", "hidden"),
        ("!!!", "hpoe-project"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_folder_of_any_name_gives_a_name_that_params_take(
    tmp_path: Path, folder: str, name: str
) -> None:
    assert project_name(folder) == name
    content = (written(tmp_path, found()) / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        content.replace(f"name: {tmp_path.name}", f"name: {name}")
    )
    assert load_params(tmp_path / "params.yaml").name


def test_the_readme_says_what_was_chosen_and_why(tmp_path: Path) -> None:
    readme = (written(tmp_path / "symbols", found()) / "README.md").read_text()
    assert readme.startswith("# symbols\n")
    assert "A classifier of 3 classes" in readme
    assert "- `preparation: ink`: marks on paper\n" in readme
    assert "{{" not in readme
    assert "\n\n\n" not in readme
    assert len(readme.splitlines()) <= 66, "more than a page"
