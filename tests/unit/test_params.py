"""params.yaml: the committed values are the paper's, and an error names key, value and remedy."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

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
    assert params.networks[network].model_dump(exclude_unset=True) == {
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


def test_the_split_and_gradient_ascent_are_the_papers(params: Params) -> None:
    """44 minibatches, and the rate and momentum of eq. 9."""
    sizes, rule = params.split, params.classifier.gradient_ascent
    assert (params.data.source, params.data.image_size) == ("mnist", (28, 28))
    assert (sizes.classes, sizes.test, sizes.shuffle) == ("all", "official", False)
    assert (sizes.supervised_per_class, sizes.test_images) == (1000, 10_000)
    assert sizes.unsupervised_per_class / params.networks["h500"].minibatch_size == 44
    assert (rule.learning_rate, rule.momentum) == (0.0002, 0.9)


def test_every_key_of_the_committed_params_is_read(committed: Tree, params: Params) -> None:
    assert (
        yaml.safe_load(yaml.safe_dump(params.model_dump(mode="json", exclude_unset=True)))
        == committed
    )


# Values


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("seed", 2**32, "input should be less than 4294967296"),
        ("seed", "1", "input should be a valid integer"),
        ("seed", True, "input should be a valid integer"),
        ("split.supervised_per_class", 1, "choose a count of at least 2, or a fraction"),
        ("split.unsupervised_per_class", 0, "choose a count of at least 1, or a fraction"),
        ("split.unsupervised_per_class", 1.0, "choose a count of at least 1, or a fraction"),
        ("split.unsupervised_per_class", True, "choose a count of at least 1, or a fraction"),
        ("split.test", "all", "choose official, a count of at least 1, or a fraction between"),
        ("split.test_images", 0, "input should be greater than or equal to 1"),
        ("split.classes", "some", "choose all, or a list of labels"),
        ("split.classes", ["a", True], "choose all, or a list of labels"),
        ("split.classes", ["a"], "name at least two classes, each once"),
        ("split.classes", [1, 0, "1"], "name at least two classes, each once"),
        ("data.source", "cifar", "input should be 'mnist', 'usps', 'idx', 'folder', 'table' or"),
        ("data.preparation", "raw", "input should be 'as_is', 'ink' or 'fit'"),
        ("data.image_size", [28, 28, 3], "tuple should have at most 2 items"),
        ("classifier.gradient_ascent.learning_rate", math.inf, "input should be "),
        ("networks.default.epochs", 0, "input should be greater than or equal to 1"),
        ("networks.default.momentum", 1.0, "input should be less than 1"),
        ("networks.default.weight_decay", "0.0001", "input should be a valid number"),
        ("networks.default.learning_rate_schedule", "linear", "input should be 'constant' or"),
        ("networks.default.units", [25] * 4, "tuple should have at most 3 items"),
        ("networks.default", None, "input should be a valid dictionary"),
        ("train", [], "tuple should have at least 1 item"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed_and_never_converted(
    path: Path, tree: Tree, key: str, value: object, says: str
) -> None:
    put(tree, key, value)
    message = refusal(path, tree)
    assert message.lower().startswith(f"{key} is {value!r}: {says}".lower())
    assert ";" not in message


def test_an_item_of_a_list_is_named_by_its_position(path: Path, tree: Tree) -> None:
    put(tree, "shift_normalization.temperatures", [1, 0.0, 2])
    assert refusal(path, tree).startswith("shift_normalization.temperatures.1 is 0.0: input should")


@pytest.mark.parametrize("sides", [[7, 28], [28, 65]])
def test_an_image_size_outside_the_limits_is_refused(
    path: Path, tree: Tree, sides: list[int]
) -> None:
    put(tree, "data.image_size", sides)
    which = 0 if sides[0] == 7 else 1
    message = refusal(path, tree)
    assert message.startswith(f"data.image_size.{which} is {sides[which]}: input should be ")
    put(tree, "data.image_size", [8, 64])
    assert load(path, tree).data.format.columns == 64


def test_classes_are_text_and_in_natural_order(path: Path, tree: Tree) -> None:
    put(tree, "split.classes", [10, 9, " e\u0301 ", 1.5])
    found = load(path, tree).split
    assert found.classes == ("10", "9", "\u00e9", "1.5")
    assert found.chosen == ["1.5", "9", "10", "\u00e9"]


TABLE = {"image": "image", "label": "label", "group": None}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.path": "images"}, "data: path is 'images': for the source mnist, set null"),
        (
            {"data.source": "folder", "data.path": "~/images"},
            "data: path is '~/images': write it in full",
        ),
        ({"data.source": "folder"}, "data: path is None: for the source folder, set the path of"),
        ({"data.columns": TABLE}, "data: columns: for the source mnist, set null"),
        ({"data.source": "table", "data.path": "x"}, "data: columns: for the source table, name"),
        (
            {"split.unsupervised_per_class": 0.8, "split.supervised_per_class": 0.3},
            "split: unsupervised_per_class and supervised_per_class are 0.8 and 0.3 of a class's",
        ),
        ({"split.test": 0.2}, "split: test_images is 10000: set null, because split.test is not"),
    ],
)
def test_options_that_would_be_ignored_or_cannot_be_together_are_refused(
    path: Path, tree: Tree, changes: Tree, says: str
) -> None:
    for key, value in changes.items():
        put(tree, key, value)
    assert refusal(path, tree).startswith(says)


def test_a_table_and_fractions_are_accepted(path: Path, tree: Tree) -> None:
    for key, value in {
        "data.source": "table",
        "data.path": "some.csv",
        "data.columns": {**TABLE, "image": None},
        "split.unsupervised_per_class": 0.7,
        "split.supervised_per_class": 0.3,
        "split.test": 0.2,
        "split.test_images": None,
    }.items():
        put(tree, key, value)
    found = load(path, tree)
    assert found.data.columns is not None
    assert (found.split.supervised_per_class, found.split.test) == (0.3, 0.2)


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


@pytest.mark.parametrize("key", ["sead", "networks.h25.epoch"])
def test_an_unknown_key_is_named(path: Path, tree: Tree, key: str) -> None:
    put(tree, key, 1)
    assert refusal(path, tree) == f"{key} is not a known key (hpoe/params.py lists them)"


@pytest.mark.parametrize("key", ["split", "networks.h25.epochs"])
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


@pytest.mark.parametrize("name", ["a/b", "..", "", "classifier", "-a", "a@b", "a_and_b"])
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


@pytest.mark.parametrize("more", [b"seed: [1", b"\xff\xfe", b"seed: 2\n"])
def test_a_file_that_is_not_yaml_is_refused_in_one_line(
    path: Path, repository: Path, more: bytes
) -> None:
    """Cut short, not text, and with a key twice."""
    path.write_bytes((repository / "params.yaml").read_bytes() + more)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path} is not YAML: ")
    assert "\n" not in str(caught.value)


def test_a_file_without_keys_is_refused(path: Path) -> None:
    path.write_text("")
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


def test_a_decay_that_forgets_what_an_update_taught_is_refused(path: Path, tree: Tree) -> None:
    """Either value is allowed alone."""
    put(tree, "networks.h25.learning_rate", 10.0)
    put(tree, "networks.h25.weight_decay", 0.001)
    load(path, tree)
    put(tree, "networks.h25.weight_decay", 1.0)
    assert refusal(path, tree).startswith(
        "networks.h25: learning_rate times weight_decay is 10: choose at most 0.01"
    )


@given(st.integers(1, 5000), st.integers(1, 200), st.integers(0, 5000), st.integers(1, 50))
def test_an_epoch_passes_over_few_images_as_often_as_the_updates_need(
    images: int, minibatch: int, least: int, epochs: int
) -> None:
    changes = {"minibatch_size": minibatch, "min_updates": least, "epochs": epochs}
    network = load_params().networks["default"].model_copy(update=changes)
    passes = network.passes(images)
    assert epochs * -(-passes * images // minibatch) >= least
    assert passes == 1 or epochs * ((passes - 1) * images / minibatch) < least
