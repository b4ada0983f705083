"""params.yaml: the committed one says what the paper did, and a wrong one is told in a sentence."""

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
    """What the committed params.yaml says, to be changed."""
    return copy.deepcopy(committed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def put(tree: Tree, key: str, value: object) -> None:
    """Give a dotted key a value."""
    *blocks, last = key.split(".")
    for block in blocks:
        tree = tree[block]
    tree[last] = value


def refusal(path: Path, tree: object) -> str:
    """The sentence with which params are refused."""
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# The committed values


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


def test_there_is_a_network_of_every_size_in_table_2(params: Params) -> None:
    assert set(PAPER) < set(params.networks)


def test_the_split_is_the_papers_and_gives_44_minibatches(params: Params) -> None:
    sizes = params.split
    assert sizes.model_dump() == {
        "digits": tuple(range(10)),
        "unsupervised_per_digit": 4400,
        "supervised_per_digit": 1000,
        "test_images": 10_000,
    }
    assert sizes.unsupervised_per_digit / params.networks["h500"].minibatch_size == 44


def test_gradient_ascent_has_the_rate_and_momentum_of_eq_9(params: Params) -> None:
    rule = params.classifier.gradient_ascent
    assert (rule.learning_rate, rule.momentum) == (0.0002, 0.9)


def test_the_committed_params_say_everything_that_is_read(committed: Tree, params: Params) -> None:
    assert yaml.safe_load(yaml.safe_dump(params.model_dump(mode="json"))) == committed


# Values


EDGES: list[tuple[str, list[object], list[object]]] = [
    ("seed", [0, 2**32 - 1], [-1, 2**32]),
    ("split.unsupervised_per_digit", [1], [0, -1]),
    ("split.supervised_per_digit", [2, 4], [0, 1, 3, -2]),
    ("split.test_images", [1, 10_000], [0, 10_001]),
    ("classifier.gradient_ascent.learning_rate", [1e-9, 100], [0.0, -1.0, math.nan, math.inf]),
    ("classifier.gradient_ascent.momentum", [0, 0.999], [1.0, -0.1, math.nan]),
    ("classifier.gradient_ascent.max_epochs", [1], [0]),
    ("networks.default.epochs", [1], [0, -1]),
    ("networks.default.minibatch_size", [1], [0]),
    ("networks.default.learning_rate", [1e-9, 10], [0.0, 10.1, -1.0, math.nan, math.inf]),
    ("networks.default.weight_decay", [0, 1], [-0.1, 1.1, math.nan]),
    ("networks.default.momentum", [0, 0.999], [1.0, -0.1, math.nan]),
    ("networks.default.momentum_start", [0], [-1]),
    ("networks.default.initial_standard_deviation", [0, 10], [-0.1, 10.1, math.nan]),
]
LISTS: list[tuple[str, list[object], list[object]]] = [
    ("split.digits", [0, 9], [-1, 10]),
    ("networks.default.units", [1, 100_000], [0, -1, 100_001]),
    (
        "classifier.logistic_regression.inverse_regularisation",
        [1e-9, 1],
        [0.0, -1.0, math.nan, math.inf],
    ),
    ("shift_normalization.temperatures", [1e-9, 1], [0.0, -1.0, math.nan, math.inf]),
]
good_edges = [(key, value) for key, good, _ in EDGES for value in good]
bad_edges = [(key, value) for key, _, bad in EDGES for value in bad]
bad_items = [(key, value) for key, _, bad in LISTS for value in bad]
ALLOWED = r"input should be (greater|less|a multiple|a finite)|input should be a valid number"


def test_every_number_is_tried(params: Params) -> None:
    tree = params.model_dump(mode="json")
    numbers = {"seed"}
    for block in ("split", "classifier.gradient_ascent", "networks.default"):
        inner: Any = tree
        for part in block.split("."):
            inner = inner[part]
        numbers |= {f"{block}.{key}" for key, value in inner.items() if not is_text_or_list(value)}
    assert numbers == {key for key, *_ in EDGES}


def is_text_or_list(value: object) -> bool:
    return isinstance(value, str | list)


@pytest.mark.parametrize(("key", "value"), good_edges)
def test_a_value_at_the_edge_of_its_range_is_taken(
    path: Path, tree: Tree, key: str, value: object
) -> None:
    put(tree, key, value)
    path.write_text(yaml.safe_dump(tree))
    assert flatten(load_params(path).model_dump())[key] in (str(value), str(float(str(value))))


@pytest.mark.parametrize(("key", "value"), bad_edges)
def test_a_value_out_of_range_is_told_with_its_key_and_what_is_allowed(
    path: Path, tree: Tree, key: str, value: object
) -> None:
    put(tree, key, value)
    message = refusal(path, tree)
    assert re.fullmatch(rf"{re.escape(key)} is {re.escape(repr(value))}: (?:{ALLOWED}).*", message)
    assert ";" not in message


@pytest.mark.parametrize(("key", "value"), bad_items)
def test_a_value_of_a_list_out_of_range_is_told_with_its_place_and_nothing_else(
    path: Path, tree: Tree, key: str, value: object
) -> None:
    put(tree, key, [1, value, 2])
    message = refusal(path, tree)
    assert re.fullmatch(
        rf"{re.escape(key)}\.1 is {re.escape(repr(value))}: (?:{ALLOWED}).*", message
    )
    assert ";" not in message


@pytest.mark.parametrize(
    "key", ["train", "classifier.networks", *(key for key, *_ in LISTS if "units" not in key)]
)
def test_an_empty_list_is_told(path: Path, tree: Tree, key: str) -> None:
    put(tree, key, [])
    assert refusal(path, tree).startswith(f"{key} is []: ")


@pytest.mark.parametrize("digits", [[1, 0], [0, 1, 1], [7, 8, 7]])
def test_digits_ascend_and_are_named_once(path: Path, tree: Tree, digits: list[int]) -> None:
    put(tree, "split.digits", digits)
    assert f"split.digits is {digits}: name each digit once, ascending" in refusal(path, tree)


@pytest.mark.parametrize(("units", "key"), [([25, 25], "2"), ([25] * 4, ""), ([], "0")])
def test_three_layers_have_three_numbers_of_units(
    path: Path, tree: Tree, units: list[int], key: str
) -> None:
    put(tree, "networks.default.units", units)
    assert "networks.default.units" + (key and f".{key}") in refusal(path, tree)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("seed", "1", "input should be a valid integer"),
        ("seed", 1.0, "input should be a valid integer"),
        ("seed", True, "input should be a valid integer"),
        ("seed", None, "input should be a valid integer"),
        ("seed", [1], "input should be a valid integer"),
        ("split", 3, "input should be a valid dictionary"),
        ("networks", ["default"], "input should be a valid dictionary"),
        ("networks.default", None, "input should be a valid dictionary"),
        ("networks.default.units", 500, "input should be a valid"),
        ("networks.default.units", "500", "input should be a valid"),
        ("networks.default.weight_decay", "0.0001", "input should be a valid number"),
        ("networks.default.momentum", False, "input should be a valid number"),
        (
            "networks.default.learning_rate_schedule",
            "linear",
            "input should be 'constant' or 'constant_then_linear'",
        ),
        (
            "classifier.method",
            "svm",
            "input should be 'logistic_regression' or 'gradient_ascent'",
        ),
        ("train", "default", "input should be a valid"),
        ("classifier.networks", {"default": 1}, "input should be a valid"),
    ],
)
def test_a_value_of_another_type_is_told_and_never_converted(
    path: Path, tree: Tree, key: str, value: object, says: str
) -> None:
    put(tree, key, value)
    assert refusal(path, tree).startswith(f"{key} is {value!r}: {says}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("networks.default.units", ["25", 25, 25]),
        ("networks.default.units", [25.0, 25, 25]),
        ("networks.default.units", [True, 25, 25]),
        ("train", [1]),
        ("classifier.networks", [1]),
        ("shift_normalization.temperatures", ["1"]),
        ("shift_normalization.temperatures", [True]),
    ],
)
def test_an_item_of_another_type_is_told_and_nothing_else(
    path: Path, tree: Tree, key: str, value: list[object]
) -> None:
    put(tree, key, value)
    message = refusal(path, tree)
    assert message.startswith(f"{key}.0 is {value[0]!r}: input should be a valid")
    assert ";" not in message


def test_a_whole_number_is_taken_for_a_fraction(path: Path, tree: Tree) -> None:
    put(tree, "networks.default.weight_decay", 0)
    path.write_text(yaml.safe_dump(tree))
    assert isinstance(load_params(path).networks["default"].weight_decay, float)


def test_a_number_in_scientific_notation_is_a_number_as_it_is_for_dvc(
    path: Path, repository: Path
) -> None:
    text = (repository / "params.yaml").read_text()
    path.write_text(text.replace("weight_decay: 0.0001", "weight_decay: 1e-4"))
    assert load_params(path).networks["default"].weight_decay == 1e-4


# Keys


@pytest.mark.parametrize(
    "key",
    [
        "sead",
        "split.validation_per_digit",
        "classifier.gradient_ascent.epochs",
        "networks.h25.epoch",
        "shift_normalization.temperature",
    ],
)
def test_an_unknown_key_is_told(path: Path, tree: Tree, key: str) -> None:
    put(tree, key, 1)
    assert refusal(path, tree) == f"{key} is not a known key (src/hpoe/params.py lists them)"


@pytest.mark.parametrize(
    "key",
    [
        "seed",
        "train",
        "split",
        "split.test_images",
        "classifier.method",
        "classifier.gradient_ascent.max_epochs",
        "networks.h25.momentum_start",
        "shift_normalization",
    ],
)
def test_a_missing_key_is_told(path: Path, tree: Tree, key: str) -> None:
    block, (*above, last) = tree, key.split(".")
    for part in above:
        block = block[part]
    del block[last]
    assert refusal(path, tree) == f"{key} is missing"


def test_a_misspelt_key_is_told_as_the_missing_and_the_unknown_one(path: Path, tree: Tree) -> None:
    network = tree["networks"]["h25"]
    network["epoch"] = network.pop("epochs")
    message = refusal(path, tree)
    assert "networks.h25.epochs is missing" in message
    assert "networks.h25.epoch is not a known key" in message


def test_all_that_is_wrong_is_told_at_once(path: Path, tree: Tree) -> None:
    put(tree, "seed", -1)
    put(tree, "networks.h25.epochs", 0)
    put(tree, "split.more", 1)
    found = refusal(path, tree).split("; ")
    assert [part.split(" is ")[0] for part in sorted(found)] == [
        "networks.h25.epochs",
        "seed",
        "split.more",
    ]


# Networks


def test_a_network_to_train_that_is_not_described_is_told(path: Path, tree: Tree) -> None:
    tree["train"] = ["default", "h50"]
    message = refusal(path, tree)
    assert message.startswith("train names 'h50', which networks lacks (it has default, h25,")


def test_a_network_to_classify_with_that_is_not_trained_is_told(path: Path, tree: Tree) -> None:
    tree["train"], tree["classifier"]["networks"] = ["default", "h25"], ["h100"]
    assert refusal(path, tree) == (
        "classifier.networks names 'h100', which train does not list (it lists default, h25)"
    )


def test_section_sixs_params_are_read_and_checked(tmp_path: Path) -> None:
    """Those of the repository are right; a key that is missing, or unknown, is named."""
    source = Path(__file__).parents[2] / "paper/params.yaml"
    assert load_section_six(source).usps.separate.minibatch_size == 20
    tree = yaml.safe_load(source.read_text())
    del tree["usps"]["joint"]["units"]
    tree["mnist"]["more"] = 1
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(
        ParamsError, match=r"mnist\.more is not a known key .*usps\.joint\.units is"
    ):
        load_section_six(path)


@pytest.mark.parametrize("key", ["train", "classifier.networks"])
def test_a_network_named_twice_is_told(path: Path, tree: Tree, key: str) -> None:
    tree["train"] = ["default"]
    put(tree, key, ["default", "default"])
    assert refusal(path, tree) == f"{key} names a network twice"


@pytest.mark.parametrize(
    "name", ["a/b", "..", "", "classifier", "a b", "-a", "a@b", "a*", "a_and_b"]
)
def test_a_name_that_cannot_be_a_networks_own_is_told(path: Path, tree: Tree, name: str) -> None:
    """It is a folder beside models/classifier, a word of a command line and a stage's suffix, and
    other than the name of an average."""
    tree["networks"][name] = tree["networks"]["h25"]
    tree["train"], tree["classifier"]["networks"] = [name], [name]
    assert repr(name) in refusal(path, tree)


def test_classifiers_are_fitted_on_each_network_and_on_the_chosen_average(
    path: Path, tree: Tree
) -> None:
    tree["train"], tree["classifier"]["networks"] = ["h25", "h100"], ["h100", "h25"]
    path.write_text(yaml.safe_dump(tree))
    assert load_params(path).score_sources == [("h25",), ("h100",), ("h100", "h25")]


def test_one_chosen_network_is_not_fitted_twice(path: Path, tree: Tree) -> None:
    tree["train"], tree["classifier"]["networks"] = ["h25", "h100"], ["h100"]
    path.write_text(yaml.safe_dump(tree))
    assert load_params(path).score_sources == [("h25",), ("h100",)]


# The file


def test_a_missing_file_is_told_with_what_to_do(path: Path) -> None:
    with pytest.raises(ParamsError, match=f"{path} is missing: run hpoe from the root"):
        load_params(path)


def cut(text: str) -> bytes:
    return text[: text.index("units: [") + 9].encode()


@pytest.mark.parametrize(
    "content",
    [
        lambda _: b"seed: [1",
        cut,
        lambda text: text.replace("  method", "\tmethod").encode(),
        lambda text: text.encode() + b"\xff\xfe",
        lambda text: text.encode() + b"\0",
        lambda text: text.encode() + b"seed: 2\n",
    ],
    ids=["bracket", "cut short", "tab", "not text", "zero", "a key twice"],
)
def test_a_file_that_is_not_yaml_is_told(
    path: Path, repository: Path, content: Callable[[str], bytes]
) -> None:
    path.write_bytes(content((repository / "params.yaml").read_text()))
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path} is not YAML: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "# nothing\n", "[]", "1", "text"])
def test_a_file_without_keys_is_told(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ParamsError, match="input should be a valid dictionary") as caught:
        load_params(path)
    assert str(caught.value).startswith(str(path))


# What is loaded


def test_params_cannot_be_changed(params: Params) -> None:
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        params.networks["h25"].epochs = 2  # type: ignore[misc]


def test_nested_keys_become_dotted_ones_with_values_as_text() -> None:
    nested = {"a": {"b": {"c": 0.0001}, "d": [1, 2]}, "e": "text", "f": None, 3: True}
    assert flatten(nested) == {
        "a.b.c": "0.0001",
        "a.d": "[1, 2]",
        "e": "text",
        "f": "None",
        "3": "True",
    }
