"""params.yaml: the committed values are the paper's, and an error names key, value and remedy."""

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpoe.errors import ParamsError
from hpoe.params import Params, flatten, load_params, load_section_six

Tree = dict[str, Any]


@pytest.fixture(scope="session")
def committed(repository: Path) -> Tree:
    tree: Tree = yaml.safe_load((repository / "params.yaml").read_text())
    return tree


@pytest.fixture
def tree(committed: Tree) -> Tree:
    """The content of the committed params.yaml with fewer networks, to be changed."""
    tree = copy.deepcopy(committed)
    tree["networks"] = {name: tree["networks"][name] for name in ("default", "h25", "h100")}
    return tree


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def put(tree: Tree, key: str, value: object) -> None:
    """Set the value of a dotted key."""
    *blocks, last = key.split(".")
    for block in blocks:
        tree = tree[block]
    tree[last] = value


def load(path: Path, tree: object) -> Params:
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return load_params(path)


def refusal(path: Path, tree: object) -> str:
    """Return the one sentence with which params are refused, without the file's name."""
    with pytest.raises(ParamsError) as caught:
        load(path, tree)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# Committed values

PAPER = {
    "h25": (25, 25),
    "h100": (100, 100),
    "h200": (200, 200),
    "h400": (400, 200),
    "h500": (500, 500),
}
"""Hidden units per layer, and epochs, of table 2."""


@pytest.mark.parametrize("network", PAPER)
def test_the_networks_named_by_their_size_are_the_papers(params: Params, network: str) -> None:
    units, epochs = PAPER[network]
    assert params.networks[network].model_dump() == {
        "images": "as_given",
        "units": (units, units, units),
        "epochs": epochs,
        "minibatch_size": 100,
        "learning_rate": 0.1,
        "learning_rate_schedule": "constant",
        "weight_decay": 0.0001,
        "momentum": 0.9,
        "momentum_start": 50,
        "initial_standard_deviation": 0.01,
    }


def test_the_split_is_the_papers_and_gives_44_minibatches(params: Params) -> None:
    sizes = params.split
    assert sizes.digits == tuple(range(10))
    assert (sizes.supervised_per_digit, sizes.test_images) == (1000, 10_000)
    assert sizes.unsupervised_per_digit / params.networks["h500"].minibatch_size == 44


def test_gradient_ascent_has_the_rate_and_momentum_of_eq_9(params: Params) -> None:
    rule = params.classifier.gradient_ascent
    assert (rule.learning_rate, rule.momentum) == (0.0002, 0.9)


def test_every_key_of_the_committed_params_is_read(committed: Tree, params: Params) -> None:
    assert yaml.safe_load(yaml.safe_dump(params.model_dump(mode="json"))) == committed


# Ranges

RANGES: dict[str, tuple[list[object], list[object]]] = {
    "seed": ([0, 2**32 - 1], [-1, 2**32]),
    "split.unsupervised_per_digit": ([1], [0]),
    "split.supervised_per_digit": ([2, 4], [0, 1, 3]),
    "split.test_images": ([1, 10_000], [0, 10_001]),
    "classifier.gradient_ascent.learning_rate": ([1e-9, 100], [0.0, math.nan, math.inf]),
    "classifier.gradient_ascent.momentum": ([0, 0.999], [1.0, -0.1]),
    "classifier.gradient_ascent.max_epochs": ([1], [0]),
    "networks.default.epochs": ([1], [0]),
    "networks.default.minibatch_size": ([1], [0]),
    "networks.default.learning_rate": ([1e-9, 10], [0.0, 10.1]),
    "networks.default.weight_decay": ([0, 1], [-0.1, 1.1]),
    "networks.default.momentum": ([0, 0.999], [1.0, -0.1]),
    "networks.default.momentum_start": ([0], [-1]),
    "networks.default.initial_standard_deviation": ([0, 10], [-0.1, 10.1]),
    "registration.significance": ([0.001], [0.0, 1.0]),
    "registration.refusal.outliers_per_kind": ([1], [0]),
    "registration.refusal.digits_per_class": ([0], [-1]),
    "registration.refusal.hidden_units": ([1], [0]),
    "registration.refusal.weight_decay": ([0], [-0.1]),
    "registration.refusal.epochs": ([1], [0]),
    "registration.refusal.refused_digits": ([0.001], [0.0, 1.0]),
}
"""Of every number: values at the edges of its range, and values beyond them."""
ITEMS: dict[str, list[object]] = {
    "split.digits": [-1, 10],
    "networks.default.units": [0, 100_001],
    "classifier.logistic_regression.inverse_regularisation": [0.0, math.nan],
    "shift_normalization.temperatures": [0.0, math.inf],
}
"""Of every list of numbers: items out of range."""
ALLOWED = "input should be (greater|less|a multiple|a finite)"


def numbers(tree: Tree, prefix: str = "") -> set[str]:
    """Return the dotted keys of all numbers of params, but for networks other than the default."""
    found = set()
    for name, value in tree.items():
        key = prefix + name
        if isinstance(value, dict) and (prefix != "networks." or name == "default"):
            found |= numbers(value, f"{key}.")
        elif isinstance(value, int | float):
            found.add(key)
    return found


def test_every_number_is_tried(params: Params) -> None:
    assert numbers(params.model_dump()) == set(RANGES)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, (good, _) in RANGES.items() for value in good]
)
def test_a_value_at_the_edge_of_its_range_is_accepted(
    path: Path, tree: Tree, key: str, value: object
) -> None:
    put(tree, key, value)
    assert float(flatten(load(path, tree).model_dump())[key]) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, value) for key, (_, bad) in RANGES.items() for value in bad),
        *((f"{key}.1", value) for key, bad in ITEMS.items() for value in bad),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_is_allowed(
    path: Path, tree: Tree, key: str, value: object
) -> None:
    """An item of a list is named by its position, and reported alone."""
    put(tree, key.removesuffix(".1"), [1, value, 2] if key.endswith(".1") else value)
    message = refusal(path, tree)
    assert re.match(rf"{re.escape(key)} is {re.escape(repr(value))}: {ALLOWED}", message)
    assert ";" not in message


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("seed", "1", "input should be a valid integer"),
        ("seed", 1.0, "input should be a valid integer"),
        ("seed", True, "input should be a valid integer"),
        ("networks.default", None, "input should be a valid dictionary"),
        ("networks.default.units", 500, "input should be a valid"),
        ("networks.default.weight_decay", "0.0001", "input should be a valid number"),
        ("networks.default.learning_rate_schedule", "linear", "input should be 'constant' or"),
        ("train", [], "tuple should have at least 1 item"),
        ("classifier.networks", [], "tuple should have at least 1 item"),
        ("split.digits", [1], "tuple should have at least 2 items"),
        ("classifier.logistic_regression.inverse_regularisation", [], "tuple should have"),
        ("shift_normalization.temperatures", [], "tuple should have"),
        ("networks.default.units", [25] * 4, "tuple should have at most 3 items"),
    ],
)
def test_a_value_of_another_type_is_refused_and_never_converted(
    path: Path, tree: Tree, key: str, value: object, says: str
) -> None:
    put(tree, key, value)
    message = refusal(path, tree)
    assert message.lower().startswith(f"{key} is {value!r}: {says}".lower())
    assert ";" not in message


@pytest.mark.parametrize("digits", [[1, 0], [0, 1, 1]])
def test_digits_ascend_and_are_named_once(path: Path, tree: Tree, digits: list[int]) -> None:
    put(tree, "split.digits", digits)
    assert f"split.digits is {digits}: name each digit once, ascending" in refusal(path, tree)


@pytest.mark.parametrize(("text", "value"), [("1e-4", 0.0001), ("0", 0.0)])
def test_other_notations_of_a_fraction_are_accepted(
    path: Path, repository: Path, text: str, value: float
) -> None:
    """Scientific notation is a number as it is for DVC, and a whole number is a fraction."""
    content = (repository / "params.yaml").read_text()
    path.write_text(content.replace("weight_decay: 0.0001", f"weight_decay: {text}"))
    found = load_params(path).networks["default"].weight_decay
    assert isinstance(found, float)
    assert found == value


# Keys


@pytest.mark.parametrize("key", ["sead", "split.validation_per_digit", "networks.h25.epoch"])
def test_an_unknown_key_is_named(path: Path, tree: Tree, key: str) -> None:
    put(tree, key, 1)
    assert refusal(path, tree) == f"{key} is not a known key (src/hpoe/params.py lists them)"


@pytest.mark.parametrize("key", ["seed", "split", "split.test_images", "networks.h25.epochs"])
def test_a_missing_key_is_named(path: Path, tree: Tree, key: str) -> None:
    block, (*above, last) = tree, key.split(".")
    for part in above:
        block = block[part]
    del block[last]
    assert refusal(path, tree) == f"{key} is missing"


def test_all_errors_are_reported_at_once(path: Path, tree: Tree) -> None:
    put(tree, "seed", -1)
    put(tree, "split.more", 1)
    network = tree["networks"]["h25"]
    network["epoch"] = network.pop("epochs")
    found = sorted(part.split(" is ")[0] for part in refusal(path, tree).split("; "))
    assert found == ["networks.h25.epoch", "networks.h25.epochs", "seed", "split.more"]


# Networks


@pytest.mark.parametrize(
    ("train", "chosen", "says"),
    [
        (["default", "h50"], ["default"], "train names 'h50', which networks lacks (it has "),
        (
            ["default", "h25"],
            ["h100"],
            "classifier.networks names 'h100', which train does not list (it lists default, h25)",
        ),
        (["default", "default"], ["default"], "train lists a network twice"),
        (["default"], ["default", "default"], "classifier.networks lists a network twice"),
    ],
)
def test_networks_that_cannot_be_used_are_named(
    path: Path, tree: Tree, train: list[str], chosen: list[str], says: str
) -> None:
    tree["train"], tree["classifier"]["networks"] = train, chosen
    assert refusal(path, tree).startswith(says)


@pytest.mark.parametrize(
    "name", ["a/b", "..", "", "classifier", "a b", "-a", "a@b", "a*", "a_and_b"]
)
def test_a_name_that_no_network_can_have_is_refused(path: Path, tree: Tree, name: str) -> None:
    """It is a folder beside models/classifier, a word of a command line and a stage's suffix, and
    differs from the name of an average."""
    tree["networks"][name] = tree["networks"]["h25"]
    tree["train"], tree["classifier"]["networks"] = [name], [name]
    assert repr(name) in refusal(path, tree)


@pytest.mark.parametrize(
    ("chosen", "sources"),
    [
        (["h100", "h25"], [("h25",), ("h100",), ("h100", "h25")]),
        (["h100"], [("h25",), ("h100",)]),
    ],
    ids=["an average", "one network"],
)
def test_classifiers_are_fitted_on_each_network_and_on_the_chosen_average(
    path: Path, tree: Tree, chosen: list[str], sources: list[tuple[str, ...]]
) -> None:
    tree["train"], tree["classifier"]["networks"] = ["h25", "h100"], chosen
    assert load(path, tree).score_sources == sources


# The file


def test_a_missing_file_is_named_with_what_to_do(path: Path) -> None:
    with pytest.raises(ParamsError, match=f"{path} is missing: run hpoe from the root"):
        load_params(path)


@pytest.mark.parametrize(
    "content",
    [
        lambda _: b"seed: [1",
        lambda text: text.replace("  method", "\tmethod").encode(),
        lambda text: text.encode() + b"\xff\xfe",
        lambda text: text.encode() + b"\0",
        lambda text: text.encode() + b"seed: 2\n",
    ],
    ids=["cut short", "tab", "not text", "zero byte", "duplicate key"],
)
def test_a_file_that_is_not_yaml_is_refused_in_one_line(
    path: Path, repository: Path, content: Callable[[str], bytes]
) -> None:
    path.write_bytes(content((repository / "params.yaml").read_text()))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path} is not YAML: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_file_without_keys_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ParamsError, match=f"{path}: input should be a valid dictionary"):
        load_params(path)


def test_the_params_of_section_six_are_read_and_checked(path: Path, repository: Path) -> None:
    source = repository / "paper/params.yaml"
    assert load_section_six(source).usps.separate.minibatch_size == 20
    tree = yaml.safe_load(source.read_text())
    del tree["usps"]["joint"]["units"]
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ParamsError, match=r"usps\.joint\.units is missing"):
        load_section_six(path)


def test_nested_keys_become_dotted_ones_with_values_as_text() -> None:
    nested = {"a": {"b": {"c": 0.0001}, "d": [1, 2]}, "e": "text", "f": None, 3: True}
    assert flatten(nested) == {
        "a.b.c": "0.0001",
        "a.d": "[1, 2]",
        "e": "text",
        "f": "None",
        "3": "True",
    }
