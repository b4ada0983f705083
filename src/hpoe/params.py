"""params.yaml as frozen, validated models: every number that an experiment may change."""

import re
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hpoe.errors import ParamsError
from hpoe.labels import clean, in_order
from hpoe.method.recipe import Recipe, Schedule
from hpoe_recognition.formats import Format, PicturePreparation
from hpoe_recognition.normalization import Preparation

Units = Annotated[int, Field(ge=1, le=100_000)]
Positive = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=8, le=64)]
Method = Literal["logistic_regression", "gradient_ascent"]
METHODS: tuple[Method, ...] = ("logistic_regression", "gradient_ascent")
MOST_SHRINKING = 0.01
"""Of weights, per update: at momentum 0.9, what an update has taught is forgotten ten later."""
NAME = "hpoe-digits"
"""Of this repository, and of the model that is meant outside any project."""
PROJECT_NAME = r"\w[\w.-]*"
"""What MLflow's addresses and filters take as the name of a model."""
LONGEST_NAME = 100
NETWORK_NAME = "(?!classifier$)(?!.*_and_)[A-Za-z0-9][A-Za-z0-9_-]*"
"""A network is a folder beside models/classifier, and part of the names of stages and runs."""


class Block(BaseModel):
    """A block of params.yaml: frozen, no unknown keys, no conversions other than int to float."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Network(Block):
    """How the three RBMs of every class of one network are trained (sections 1 and 3)."""

    images: Preparation
    """Training images `as_given`, or each `deskewed`: its principal axis vertical (section 2)."""
    units: tuple[Units, Units, Units] = Field(strict=False)
    """Hidden units of layers 1, 2 and 3; the paper: the same in each, 25 to 500."""
    epochs: int = Field(ge=1)
    """Passes over a class's unsupervised images, per layer; the paper: 25 to 500."""
    min_updates: int = Field(default=0, ge=0)
    """At least so many updates per layer: an epoch passes over few images several times."""
    minibatch_size: int = Field(ge=1)
    """Images per update; the last minibatch of an epoch may be smaller. The paper: 100."""
    learning_rate: float = Field(gt=0, le=10)
    """Rate of eq. 7, for gradients averaged over the minibatch; the paper: 0.1."""
    learning_rate_schedule: Schedule
    """`constant` (the paper), or constant for the first half of the updates, then linear to 0."""
    weight_decay: float = Field(ge=0, le=1)
    """Coefficient of -W in eq. 7 (inside the learning rate); the paper: 0.0001."""
    momentum: float = Field(ge=0, lt=1)
    """mu of eq. 7 once it has started; the paper: 0.9."""
    momentum_start: int = Field(ge=0)
    """Updates made with momentum 0 before `momentum` applies; the paper: 50."""
    initial_standard_deviation: float = Field(ge=0, le=10)
    """Of the initial weights, zero-mean Gaussian; not in the paper, 0.01 reproduces its results."""

    @model_validator(mode="after")
    def _weights_are_kept(self) -> Self:
        shrinking = self.learning_rate * self.weight_decay
        if shrinking > MOST_SHRINKING:
            raise ValueError(
                f"learning_rate times weight_decay is {shrinking:g}: choose at most "
                f"{MOST_SHRINKING:g}, because every update shrinks the weights by this share"
            )
        return self

    @property
    def recipe(self) -> Recipe:
        """The same values as the plain dataclass of the method."""
        return Recipe(**self.model_dump(exclude={"min_updates"}))

    def passes(self, images: int) -> int:
        """How often an epoch passes over so many unsupervised images, for enough updates."""
        wanted = self.min_updates / self.epochs * self.minibatch_size
        return max(1, ceil(wanted / images))


Source = Literal["mnist", "usps", "idx", "folder", "table", "npz"]
FETCHED: tuple[Source, ...] = ("mnist", "usps")
"""Sources that the stage `download` fetches, and which have no path."""


class Columns(Block):
    """The columns of a table."""

    image: str | None
    """Encoded image files or paths relative to the table; null: one column for each pixel."""
    label: str
    """The labels."""
    group: str | None
    """What belongs together (a writer, a page, a device), or null."""


class Data(Block):
    """Where labelled images come from, and how a picture becomes an array (docs/data.md)."""

    source: Source
    """What kind of data set it is."""
    path: str | None
    """Of the source, absolute or relative to the project; null for `mnist` and `usps`."""
    image_size: tuple[Side, Side] = Field(strict=False)
    """Rows and columns of the arrays; MNIST: 28, 28."""
    preparation: PicturePreparation
    """How a picture becomes an array, at intake and in the server alike."""
    skip_unreadable: bool
    """Whether images that cannot be read are left out and counted, or refused."""
    columns: Columns | None
    """Of a table; null for all other sources."""

    @model_validator(mode="after")
    def _only_what_the_source_has(self) -> Self:
        if (self.path is None) != (self.source in FETCHED):
            needed = "null" if self.source in FETCHED else "the path of the data"
            raise ValueError(f"path is {self.path!r}: for the source {self.source}, set {needed}")
        if self.path is not None and self.path.startswith("~"):
            raise ValueError(f"path is {self.path!r}: write it in full, DVC does not expand `~`")
        if (self.columns is None) != (self.source != "table"):
            needed = "name image, label and group" if self.source == "table" else "set null"
            raise ValueError(f"columns: for the source {self.source}, {needed}")
        return self

    @property
    def format(self) -> Format:
        """The arrays' size and preparation, as the served model has them."""
        return Format(*self.image_size, self.preparation)


def _amount(value: object, least: int, word: str | None = None) -> object:
    """Check a count, a fraction, or a word.

    Raises:
        ValueError: it is none of these.
    """
    is_count = type(value) is int and value >= least
    is_fraction = type(value) is float and 0 < value < 1
    if is_count or is_fraction or (word is not None and value == word):
        return value
    words = f"{word}, " if word else ""
    raise ValueError(f"choose {words}a count of at least {least}, or a fraction between 0 and 1")


def _classes(value: object) -> object:
    """Check `all` or a list of labels, in which numbers, as YAML reads 7 or 1.5, become text.

    Raises:
        ValueError: it is neither, or names fewer than two classes, or one twice.
    """
    if value == "all":
        return value
    if not isinstance(value, (list, tuple)) or any(type(v) not in (int, float, str) for v in value):
        raise ValueError("choose all, or a list of labels (in quotes if YAML reads them as others)")
    labels = tuple(clean(str(label)) for label in value)
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError("name at least two classes, each once")
    return labels


Amount = int | float
"""A count, or a fraction between 0 and 1."""


class Split(Block):
    """The split of each class's images into four sets (section 3 of the paper)."""

    classes: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_classes)]
    """`all`, or the labels of at least two. Adding a class keeps the RBMs of the others."""
    unsupervised_per_class: Annotated[Amount, BeforeValidator(lambda given: _amount(given, 1))]
    """Images that train a class's RBMs; the paper: the first 4,400 of each digit."""
    supervised_per_class: Annotated[Amount, BeforeValidator(lambda given: _amount(given, 2))]
    """Images per class for the classifier, half of them for validation; the paper: 1,000."""
    test: Annotated[
        Literal["official"] | Amount, BeforeValidator(lambda given: _amount(given, 1, "official"))
    ]
    """`official`: the source's test set; else so many images of each class, the source's own
    test set included in what is cut."""
    test_images: Annotated[int, Field(ge=1)] | None
    """At most so many official test images, the first ones; null: all. The paper: 10,000."""
    shuffle: bool
    """Whether the sets are drawn by the seed, or cut in the source's order (the paper)."""

    @model_validator(mode="after")
    def _sets_are_possible(self) -> Self:
        sizes = self.unsupervised_per_class, self.supervised_per_class
        if all(isinstance(size, float) for size in sizes) and sum(sizes) > 1 + 1e-9:
            raise ValueError(
                f"unsupervised_per_class and supervised_per_class are {sizes[0]:g} and "
                f"{sizes[1]:g} of a class's training images: choose fractions that add up to at "
                "most 1"
            )
        if self.test != "official" and self.test_images is not None:
            raise ValueError(
                f"test_images is {self.test_images}: set null, because split.test is not official"
            )
        return self

    @property
    def chosen(self) -> list[str] | None:
        """The labels in natural order; None for all."""
        return None if self.classes == "all" else in_order(self.classes)


class LogisticRegression(Block):
    """L2-regularised multinomial logistic regression on standardised scores."""

    inverse_regularisation: tuple[Positive, ...] = Field(min_length=1, strict=False)
    """Candidate values of scikit-learn's C; the best one on the validation half is used."""


class GradientAscent(Block):
    """Batch gradient ascent of eq. 9 on scaled scores (see docs/how-it-works.md for the scale)."""

    learning_rate: float = Field(gt=0)
    """Rate of eq. 9; the paper: 0.0002."""
    momentum: float = Field(ge=0, lt=1)
    """Momentum of eq. 9; the paper: 0.9."""
    max_epochs: int = Field(ge=1)
    """Maximum number of epochs; the best number on the validation half is used."""


class Classifier(Block):
    """The logistic net on the goodness scores (section 4)."""

    networks: tuple[str, ...] = Field(min_length=1, strict=False)
    """Networks whose scores are averaged layer by layer; a single name means no averaging."""
    method: Method
    """Method of the classifier that is served; the other one is fitted and reported as well."""
    logistic_regression: LogisticRegression
    gradient_ascent: GradientAscent


class ShiftNormalization(Block):
    """Model-based normalisation of section 7: each model chooses among shifted images."""

    temperatures: tuple[Positive, ...] = Field(min_length=1, strict=False)
    """Candidate temperatures T of the soft choice, in nats; the best on validation is used."""


class Refusal(Block):
    """Known score of the served model: a net on known images against outliers made from them."""

    outliers_per_kind: int = Field(ge=1)
    """Images of each kind of outlier used to fit the score; fewer if there are many classes."""
    hidden_units: int = Field(ge=1)
    """Units of the layer that combines the features."""
    weight_decay: float = Field(ge=0, le=1)
    """Of AdamW, decoupled from the gradient."""
    epochs: int = Field(ge=1)
    """Passes over all known images and outliers."""
    refused_known: float = Field(gt=0, lt=1)
    """Fraction of held-out images of the known classes that the threshold refuses."""


class Registration(Block):
    """The served model: outlier detection, and the rule of promotion."""

    refusal: Refusal
    significance: float = Field(gt=0, lt=1)
    """Significance level of McNemar's test that refuses a candidate worse than the champion."""


class Params(Block):
    """params.yaml."""

    name: str
    """Of the registered model and of MLflow's experiment; unique among the projects on a server."""
    seed: int = Field(ge=0, lt=2**32)
    """Seed of every random number; runs with the same seed and params give the same bytes."""
    train: tuple[str, ...] = Field(min_length=1, strict=False)
    """Names of the networks that this pipeline trains."""
    data: Data
    split: Split
    classifier: Classifier
    shift_normalization: ShiftNormalization
    registration: Registration
    networks: dict[str, Network]
    """Recipes by network name."""

    @property
    def score_sources(self) -> list[tuple[str, ...]]:
        """Networks that classifiers are fitted on: each trained one, and the chosen average."""
        alone: list[tuple[str, ...]] = [(network,) for network in self.train]
        return list(dict.fromkeys([*alone, self.classifier.networks]))

    @field_validator("name")
    @classmethod
    def _mlflow_takes_it(cls, name: str) -> str:
        if not re.fullmatch(PROJECT_NAME, name) or len(name) > LONGEST_NAME:
            raise ValueError(
                f"choose at most {LONGEST_NAME} letters, digits, dots, - and _, the first a letter "
                "or digit"
            )
        return name

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = ", ".join(self.networks)
        for name in self.networks:
            if not re.fullmatch(NETWORK_NAME, name):
                raise ValueError(
                    f"networks has {name!r}: a name is of letters, digits, - and _, is not "
                    "'classifier', and has no '_and_', which names averages"
                )
        for name in self.train:
            if name not in self.networks:
                raise ValueError(f"train names {name!r}, which networks lacks (it has {known})")
        for name in self.classifier.networks:
            if name not in self.train:
                raise ValueError(
                    f"classifier.networks names {name!r}, which train does not list "
                    f"(it lists {', '.join(self.train)})"
                )
        for field, names in (
            ("train", self.train),
            ("classifier.networks", self.classifier.networks),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{field} lists a network twice: list each once")
        return self


class Alternatives(Block):
    """The models that section 6 compares on one data set."""

    separate: Network
    """One model per class; only its first layer is trained."""
    shared: Network
    """One model for all classes, with three layers."""
    joint: Network
    """One model of pixels and labels; only its first layer is trained."""


class SectionSix(Block):
    """paper/params.yaml: the alternatives of section 6, which the paper found worse."""

    usps_unsupervised: float = Field(gt=0, lt=1)
    """Share of a digit's USPS training images used to train RBMs; the rest is supervised."""
    mnist: Alternatives
    usps: Alternatives


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate params.yaml; see `_load` for errors."""
    return _load(path, Params)


def load_name(path: Path = Path("params.yaml")) -> str:
    """Read only the name of the project in this folder; `NAME` where there is no project.

    Raises:
        ParamsError: params.yaml is not YAML.
    """
    content = _read(path) if path.exists() else None
    name = content.get("name", NAME) if isinstance(content, dict) else NAME
    return str(name)


def load_section_six(path: Path = Path("paper/params.yaml")) -> SectionSix:
    """Read and validate paper/params.yaml; see `_load` for errors."""
    return _load(path, SectionSix)


Model = TypeVar("Model", bound=Block)


def _load(path: Path, model: type[Model]) -> Model:
    """Read and validate a file of params.

    Raises:
        ParamsError: the file is missing or not YAML, or a key is unknown or missing, or its value
            has the wrong type or is out of range; the message names all such keys.
    """
    try:
        return model.model_validate(_read(path))
    except ValidationError as error:
        details = error.errors()
        inner = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
        found = "; ".join(
            _sentence(dict(detail)) for detail in details if detail["loc"] not in inner - {()}
        )
        raise ParamsError(f"{path}: {found}") from None


def _read(path: Path) -> object:
    """Read a YAML file.

    Raises:
        ParamsError: it is missing, or not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_bytes())
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing: run hpoe from the root of its project") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def flatten(tree: Any, prefix: str = "") -> dict[str, str]:  # noqa: ANN401
    """Flatten nested mappings to dotted keys, the form in which MLflow compares params."""
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    flat: dict[str, str] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _sentence(detail: dict[str, Any]) -> str:
    """Format one of pydantic's findings as key, given value, and what is allowed."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key (hpoe/params.py lists them)"
    if detail["type"] == "missing":
        return f"{key} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if message.startswith("Input") else message
    if not key:
        return message
    if isinstance(detail["input"], dict):
        return f"{key}: {message}"
    return f"{key} is {detail['input']!r}: {message}"
