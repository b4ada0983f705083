"""HierarchicalExpertsClassifier and JointRBM: classes that come and go, files, refusal."""

import pickle
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hpoe import BernoulliRBM, HierarchicalExpertsClassifier, JointRBM
from hpoe.errors import WeightsError
from hpoe.estimators.parameters import recipe_of
from hpoe.estimators.training import TrainingSet, train_class
from hpoe.method.hierarchy import layer_goodness
from hpoe.method.rbm import RBM

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
Arrays = list[NDArray[Any]]


@pytest.fixture(scope="module")
def digits() -> Arrays:
    """Training and test images of scikit-learn's 8 x 8 digits, then their labels as text."""
    X, y = load_digits(return_X_y=True)
    parts: Arrays = train_test_split(X / 16, NAMES[y], test_size=0.3, random_state=0)
    return parts


def new(**params: Any) -> HierarchicalExpertsClassifier:
    return HierarchicalExpertsClassifier(
        (40, 30), **{"batch_size": 10, "random_state": 0, **params}
    )


@pytest.fixture(scope="module")
def trained(digits: Arrays) -> HierarchicalExpertsClassifier:
    X, _, y, _ = digits
    return new().fit(X, y)


@pytest.fixture
def model(trained: HierarchicalExpertsClassifier) -> HierarchicalExpertsClassifier:
    """A fitted classifier, to change."""
    copy: HierarchicalExpertsClassifier = pickle.loads(pickle.dumps(trained))  # noqa: S301
    return copy


def weights(model: HierarchicalExpertsClassifier, label: str) -> list[NDArray[Any]]:
    """All arrays of a class's RBMs."""
    (at,) = np.flatnonzero(model.classes_ == label)
    return [part[at] for layer in model.network_.layers for part in vars(layer).values()]


def same(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_it_recognises_digits(trained: HierarchicalExpertsClassifier, digits: Arrays) -> None:
    """Better than 95 % of 540 test images."""
    _, X, _, y = digits
    assert trained.score(X, y) > 0.95
    np.testing.assert_allclose(trained.predict_proba(X).sum(axis=1), 1)


def test_goodness_is_that_of_the_method(
    trained: HierarchicalExpertsClassifier, digits: Arrays
) -> None:
    X = digits[1][:20].astype(np.float32)
    expected = []
    for label in trained.classes_:
        parts = [torch.from_numpy(part.copy()) for part in weights(trained, label)]
        hierarchy = [RBM(*parts[start : start + 3]) for start in (0, 3)]
        expected.append(layer_goodness(hierarchy, torch.from_numpy(X)))
    np.testing.assert_allclose(trained.goodness(X), torch.cat(expected, dim=1).numpy(), rtol=1e-5)


def test_gaussian_goodness_counts_the_distance_from_0(digits: Arrays) -> None:
    X, y = digits[0][:200], digits[2][:200]
    model = new(visible_units="gaussian", learning_rate=0.01, n_iter=2, min_updates=0).fit(X, y)
    layers = model.goodness(X)[:, ::2] + np.square(X).sum(axis=1)[:, None] / 2
    bernoulli = model.network_.goodness(X.astype(np.float32))[:, ::2]
    np.testing.assert_allclose(layers, bernoulli, rtol=1e-5)


# Classes that come and go


def test_an_added_class_makes_the_model_of_a_fit_on_all_classes(
    trained: HierarchicalExpertsClassifier, digits: Arrays
) -> None:
    """The RBMs of the other classes are not trained again, and the errors are the same."""
    X, X_test, y, y_test = digits
    rest = y != "seven"
    model = new().fit(X[rest], y[rest])
    before = {label: weights(model, label) for label in model.classes_}
    model.add_class(X[~rest], "seven")
    assert list(model.classes_) == sorted(NAMES)
    assert all(same(before[label], weights(model, label)) for label in before)
    assert same(weights(trained, "seven"), weights(model, "seven"))
    assert np.array_equal(model.predict(X_test), trained.predict(X_test))
    assert model.score(X_test, y_test) == trained.score(X_test, y_test)


def test_a_removed_class_is_no_longer_answered(
    model: HierarchicalExpertsClassifier, digits: Arrays
) -> None:
    before = {label: weights(model, label) for label in model.classes_}
    model.remove_class("three")
    assert "three" not in model.predict(digits[1])
    assert model.predict_proba(digits[1]).shape == (540, 9)
    assert all(same(before[label], weights(model, label)) for label in model.classes_)


def test_a_replaced_class_alone_is_trained(
    model: HierarchicalExpertsClassifier, digits: Arrays
) -> None:
    """Once its samples are those of another class, these are called by its name."""
    X, _, y, _ = digits
    before = {label: weights(model, label) for label in model.classes_}
    model.remove_class("one").replace_class(X[y == "one"], "three")
    assert not same(before["three"], weights(model, "three"))
    kept = [label for label in model.classes_ if label != "three"]
    assert all(same(before[label], weights(model, label)) for label in kept)
    assert (model.predict(X[y == "one"]) == "three").mean() > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X: m.add_class(X, "three"), "has a class 'three': use replace_class"),
        (lambda m, X: m.replace_class(X, "ten"), r"no class 'ten': it has \["),
        (lambda m, _: m.remove_class("ten"), "no class 'ten'"),
        (lambda m, X: m.add_class(X[:, :9], "ten"), "9 features"),
        (lambda m, X: m.add_class(X, 10), "label is 10: give one like 'eight'"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(
    model: HierarchicalExpertsClassifier, digits: Arrays, call: Any, message: str
) -> None:
    X = digits[1]
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        call(model, X)
    assert np.array_equal(model.predict_proba(X), before)


def test_the_last_two_classes_stay(model: HierarchicalExpertsClassifier) -> None:
    for label in model.classes_[2:]:
        model.remove_class(label)
    with pytest.raises(ValueError, match="two classes are left"):
        model.remove_class(model.classes_[0])


# Training


def test_the_result_does_not_depend_on_the_number_of_processes(digits: Arrays) -> None:
    X, y = digits[0][:300], digits[2][:300]
    one, two = (new(n_iter=3, min_updates=0, n_jobs=jobs).fit(X, y) for jobs in (None, 2))
    assert all(same(weights(one, label), weights(two, label)) for label in one.classes_)


def test_few_samples_are_passed_over_more_often(digits: Arrays) -> None:
    """Twelve of 15 samples in minibatches of 10 are two updates per pass: 9 make 18 in 9 passes."""
    X, y = digits[0], digits[2]
    few = np.concatenate([np.flatnonzero(y == label)[:15] for label in NAMES])
    more, passes = (
        new(n_iter=n_iter, min_updates=updates).fit(X[few], y[few])
        for n_iter, updates in ((1, 17), (9, 0))
    )
    assert all(same(weights(more, label), weights(passes, label)) for label in NAMES)


def test_training_that_diverges_names_the_class() -> None:
    X = 100 * np.random.default_rng(0).normal(size=(40, 3))
    y = np.repeat(["a", "b"], 20)
    with pytest.raises(ValueError, match="training of class 'a' diverged"):
        new(visible_units="gaussian", learning_rate=5).fit(X, y)


def test_one_sample_of_each_class_is_enough_to_fit() -> None:
    model = new().fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"])
    assert set(model.predict([[0.0, 1.0], [1.0, 0.0]])) <= {"a", "b"}


# Refusal


def test_known_classes_are_mostly_known_and_others_mostly_not(digits: Arrays) -> None:
    """Zeros are left out: under 10 % of the other test images are refused, over half the zeros."""
    X, X_test, y, y_test = digits
    model = new().fit(X[y != "zero"], y[y != "zero"])
    known = model.is_known(X_test)
    assert known[y_test != "zero"].mean() > 0.9
    assert known[y_test == "zero"].mean() < 0.5


# Files


def test_a_saved_model_answers_as_before_and_takes_another_class(
    model: HierarchicalExpertsClassifier, digits: Arrays, tmp_path: Path
) -> None:
    X = digits[1]
    model.save(tmp_path / "model.safetensors")
    loaded = HierarchicalExpertsClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(loaded.is_known(X), model.is_known(X))
    assert loaded.get_params() == {**model.get_params(), "hidden_units": [40, 30]}
    loaded.add_class(1 - X[:50], "ten")
    assert (loaded.predict(1 - X[:50]) == "ten").mean() > 0.9


@pytest.mark.parametrize(
    ("content", "message"), [(None, "is missing"), (b"no tensors", "is damaged")]
)
def test_a_file_that_holds_no_classifier_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        HierarchicalExpertsClassifier.load(path)


@pytest.mark.slow
def test_mlflow_loads_a_logged_model_that_answers_alike(
    trained: HierarchicalExpertsClassifier, digits: Arrays, tmp_path: Path
) -> None:
    X = digits[1][:20]
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = mlflow.create_experiment("library", artifact_location=tmp_path.as_uri())
    with mlflow.start_run(experiment_id=experiment):
        logged = trained.log_model("digits")
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    answers = loaded.predict(X)
    assert list(answers["label"]) == list(trained.predict(X))
    assert list(answers["is_known"]) == list(trained.is_known(X))
    pd.testing.assert_frame_equal(answers, trained.to_pyfunc().predict(None, X))
    for same in (X.astype(np.float32), X.tolist(), pd.DataFrame(X)):
        pd.testing.assert_frame_equal(loaded.predict(same), answers)
    assert loaded.metadata.signature.outputs.input_names() == list(answers.columns)


@pytest.mark.parametrize(
    ("labels", "added"),
    [
        (np.array([3, 5], np.uint8), 4),
        (np.array([3, 5]), np.uint8(4)),
        (np.array(["a", "c"], object), "b"),
        (np.array(["a", "c"]), np.str_("longer")),
    ],
    ids=["bytes", "a numpy integer", "pandas' text", "longer text"],
)
def test_a_class_is_added_whatever_numpys_type_of_the_labels_is(
    digits: Arrays, labels: NDArray[Any], added: object, tmp_path: Path
) -> None:
    X, y = digits[0], digits[2]
    known = (y == "one") | (y == "two")
    two = HierarchicalExpertsClassifier((10,), n_iter=2, random_state=0)
    two.fit(X[known], labels[(y[known] == "two").astype(int)]).add_class(X[y == "six"], added)
    assert two.classes_.tolist() == sorted([*labels.tolist(), added])
    two.save(tmp_path / "model")
    loaded = HierarchicalExpertsClassifier.load(tmp_path / "model")
    assert loaded.predict(X[:50]).tolist() == two.predict(X[:50]).tolist()


def test_arrays_that_nobody_may_write_are_used_without_a_warning(digits: Arrays) -> None:
    """As joblib hands large ones to its workers, and those of grid searches."""
    X, y = digits[0][:200].astype(np.float32), digits[2][:200]
    X.flags.writeable = False
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        trained = BernoulliRBM(5, n_iter=1).fit(X)
        trained.transform(X)
        HierarchicalExpertsClassifier((5,), n_iter=1, min_updates=1).fit(X, y).predict(X)
        recipe = recipe_of(HierarchicalExpertsClassifier(), (5,), 1)
        train_class(recipe, 1, "bernoulli", 0, "cpu", TrainingSet("0", X, X))
    finally:
        torch.set_warn_always(before)


# The joint model


def test_a_joint_model_recognises_digits(digits: Arrays) -> None:
    X, X_test, y, y_test = digits
    model = JointRBM(100, batch_size=10, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) > 0.9
    np.testing.assert_allclose(model.predict_proba(X_test).sum(axis=1), 1)
