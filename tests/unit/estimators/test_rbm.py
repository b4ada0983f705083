"""BernoulliRBM: the pipeline's training, scikit-learn's answers, statistics of its chains."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import shift
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import BernoulliRBM as Reference
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import minmax_scale

from hpoe import BernoulliRBM
from hpoe.estimators import rbm as module
from hpoe.estimators.parameters import recipe_of
from hpoe.method.fitting import fit_rbm
from hpoe.method.partition import binary_states
from hpoe.method.randomness import generator
from hpoe.method.rbm import ContrastiveDivergence

Floats = NDArray[np.float32]


def patterns(count: int = 200, features: int = 12, seed: int = 0) -> Floats:
    """Noisy copies of three random binary patterns."""
    rng = np.random.default_rng(seed)
    prototypes = rng.random((3, features)) < 0.5
    flipped = rng.random((count, features)) < 0.05
    return (prototypes[rng.integers(3, size=count)] ^ flipped).astype(np.float32)


def given(rbm: BernoulliRBM, weights: Any, visible: Any, hidden: Any) -> BernoulliRBM:
    """A fitted RBM with other weights [H, V] and biases."""
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = (
        np.asarray(part, np.float32) for part in (weights, visible, hidden)
    )
    return rbm


def some_rbm(hidden: int = 5, features: int = 4, **params: Any) -> BernoulliRBM:
    """An RBM with random weights of standard deviation 1."""
    rng = np.random.default_rng(1)
    rbm = BernoulliRBM(hidden, n_iter=0, random_state=0, **params)
    rbm.fit(rng.random((20, features)))
    return given(rbm, *(rng.normal(size=s) for s in ((hidden, features), features, hidden)))


# Training


def test_its_fit_is_the_pipelines() -> None:
    """The same function, from the same weights with the same random numbers."""
    X = patterns()
    rbm = BernoulliRBM(
        6, n_iter=3, momentum=0.5, weight_decay=0.001, persistent=False, random_state=4
    )
    rbm._start(torch.from_numpy(X))
    recipe = recipe_of(rbm, (rbm.n_components,), 3)
    base = torch.from_numpy(rbm.base_intercept_.copy())

    def generators(purpose: str, epoch: int = 0) -> np.random.Generator:
        return generator(rbm._seed, "BernoulliRBM", 1, 0, purpose, epoch)

    def from_base(state: Any, recipe: Any) -> Any:
        state.rbm.visible_biases.copy_(base)
        return ContrastiveDivergence(state, recipe)

    expected = fit_rbm(recipe, 1, torch.from_numpy(X), generators, from_base)
    rbm.fit(X)
    assert np.array_equal(rbm.components_, expected.weights.t().numpy())
    assert np.array_equal(rbm.intercept_visible_, expected.visible_biases.numpy())
    assert np.array_equal(rbm.intercept_hidden_, expected.hidden_biases.numpy())


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_gibbs_steps": 3},
        {"persistent": False},
        {"persistent": False, "momentum": 0.5},
        {"learning_rate_schedule": "constant_then_linear"},
    ],
)
def test_training_makes_the_data_more_likely(params: dict[str, Any]) -> None:
    """By more than a nat per sample, measured with the exact log Z."""
    X = patterns()

    def log_likelihood(n_iter: int) -> float:
        rbm = BernoulliRBM(8, n_iter=n_iter, random_state=0, **params).fit(X)
        return rbm.score(X) - float(rbm.log_partition("exact"))

    assert log_likelihood(60) > log_likelihood(0) + 1


def test_gaussian_units_learn_two_clusters() -> None:
    """Two clusters are likelier under the RBM than under independent normals, by a nat."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) + 2.5 * rng.choice([-1, 1], size=(400, 1))

    def log_likelihood(n_iter: int) -> float:
        rbm = BernoulliRBM(
            4, visible_units="gaussian", learning_rate=0.005, n_iter=n_iter, random_state=0
        ).fit(X)
        return rbm.score(X) - float(rbm.log_partition("exact"))

    assert log_likelihood(30) > log_likelihood(0) + 1


def test_two_fits_of_half_the_passes_with_a_warm_start_are_one_fit() -> None:
    X = patterns()
    whole = BernoulliRBM(6, n_iter=4, momentum=0.5, random_state=0).fit(X)
    half = BernoulliRBM(6, n_iter=2, momentum=0.5, random_state=0, warm_start=True)
    assert np.array_equal(half.fit(X).fit(X).components_, whole.components_)
    assert half.n_iter_ == 4
    assert len(half.history_["reconstruction_error"]) == 4


def test_training_goes_on_with_another_minibatch_and_with_persistent_chains_or_not() -> None:
    X = patterns()
    rbm = BernoulliRBM(4, n_iter=1, warm_start=True, persistent=False, random_state=0).fit(X)
    for params in ({"persistent": True}, {"batch_size": 30}, {"persistent": False}):
        rbm.set_params(**params).fit(X)
    assert rbm.n_iter_ == 4
    assert rbm.h_samples_.shape == (30, 4)


def test_partial_fit_is_one_pass_in_minibatches() -> None:
    X = patterns()
    whole = BernoulliRBM(6, n_iter=3, random_state=0).fit(X)
    parts = BernoulliRBM(6, n_iter=99, random_state=0)
    for _ in range(3):
        parts.partial_fit(X)
    assert np.array_equal(parts.components_, whole.components_)


def test_training_starts_from_the_datas_base_rates() -> None:
    X = patterns()
    rbm = BernoulliRBM(3, n_iter=0, random_state=0).fit(X)
    p = X.mean(axis=0).clip(0.001, 0.999)
    np.testing.assert_allclose(rbm.intercept_visible_, np.log(p / (1 - p)), rtol=1e-4)


def test_training_stops_once_the_gap_of_free_energy_is_too_wide() -> None:
    """Twelve samples are soon learned by heart, and other samples are not."""
    rng = np.random.default_rng(0)
    X, X_valid = (rng.random((count, 12)).round() for count in (12, 100))
    free = BernoulliRBM(50, n_iter=200, random_state=0).fit(X, X_valid=X_valid)
    stopped = BernoulliRBM(50, n_iter=200, max_free_energy_gap=4.0, random_state=0)
    stopped.fit(X, X_valid=X_valid)
    gaps = stopped.history_["free_energy_gap"]
    assert max(gaps[:-1]) <= 4 < gaps[-1]
    assert stopped.n_iter_ < free.n_iter_ == 200
    with pytest.raises(ValueError, match="give held-out samples as X_valid"):
        stopped.fit(X)


def test_the_gap_is_the_difference_of_two_log_likelihoods() -> None:
    X, X_valid = patterns(100), patterns(100, seed=1)
    rbm = BernoulliRBM(4, n_iter=5, random_state=0).fit(X, X_valid=X_valid)
    expected = rbm.score(X) - rbm.score(X_valid)
    assert rbm.history_["free_energy_gap"][-1] == pytest.approx(expected, abs=1e-4)


def test_ctrl_c_leaves_a_model_that_can_be_used_and_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = patterns()
    points: list[Any] = []

    def interrupted(*arguments: Any) -> dict[str, float]:
        if len(points) == 2:
            raise KeyboardInterrupt
        points.append(arguments)
        return {"reconstruction_error": 0.0}

    rbm = BernoulliRBM(4, n_iter=9, warm_start=True, random_state=0)
    with monkeypatch.context() as patched:
        patched.setattr(module, "measured", interrupted)
        with pytest.warns(ConvergenceWarning, match="interrupted by the user"):
            rbm.fit(X)
    assert rbm.n_iter_ == 3
    assert rbm.transform(X).shape == (200, 4)
    assert rbm.fit(X).n_iter_ == 12


def test_a_progress_bar_is_shown_only_if_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    BernoulliRBM(2, n_iter=3, random_state=0).fit(patterns())
    assert capfd.readouterr().err == ""
    BernoulliRBM(2, n_iter=3, random_state=0, verbose=1).fit(patterns())
    assert "3/3" in capfd.readouterr().err


# What it answers


def test_it_computes_what_scikit_learns_estimator_computes() -> None:
    """From the same weights: hidden probabilities, free energies, and pseudo-likelihoods."""
    X = patterns(features=4)
    ours = some_rbm()
    reference = Reference(5, n_iter=1, random_state=0).fit(X)
    given(reference, ours.components_, ours.intercept_visible_, ours.intercept_hidden_)
    np.testing.assert_allclose(ours.transform(X), reference.transform(X), rtol=1e-5)
    np.testing.assert_allclose(ours.free_energy(X), reference._free_energy(X), rtol=1e-5)
    np.testing.assert_allclose(ours.score_samples(X), reference.score_samples(X), rtol=1e-3)


def test_sparse_and_dense_samples_get_the_same_answers() -> None:
    X = patterns()
    dense, sparse = (
        BernoulliRBM(4, n_iter=2, random_state=0).fit(each) for each in (X, csr_matrix(X))
    )
    assert np.array_equal(dense.components_, sparse.components_)
    assert np.array_equal(dense.score_samples(X), sparse.score_samples(csr_matrix(X)))


@pytest.mark.parametrize("start", ["sample", "gibbs"])
def test_samples_are_as_frequent_as_the_models_probabilities(start: str) -> None:
    """Counts of the 16 states; chi-squared with 15 degrees of freedom exceeds 48 in 1 of 40,000."""
    rbm, count = some_rbm(), 8000
    states = binary_states(4).numpy().astype(np.float32)
    p = np.exp(-rbm.free_energy(states) - float(rbm.log_partition("exact")))
    if start == "sample":
        drawn = rbm.sample(count, n_gibbs_steps=50)
    else:  # one step leaves the model's own distribution as it is
        chosen = np.random.default_rng(0).choice(16, size=count, p=p / p.sum())
        drawn = rbm.gibbs(states[chosen])
    counts = np.bincount((drawn @ [1, 2, 4, 8]).astype(int), minlength=16)
    assert ((counts - count * p) ** 2 / (count * p)).sum() < 48


@pytest.mark.parametrize("method", ["ais", "reverse_ais", "bounds"])
def test_annealed_partition_functions_agree_with_the_exact_one(method: Any) -> None:
    rbm = some_rbm(10, 14)
    exact = float(rbm.log_partition("exact"))
    found = rbm.log_partition(method, n_temperatures=1000)
    assert found.lower <= exact <= found.upper
    assert float(found) == pytest.approx(exact, abs=0.3)
    assert rbm.log_partition() == rbm.log_partition("exact")


# As part of scikit-learn


def test_it_works_in_pipelines_and_grid_searches() -> None:
    X = patterns(120)
    y = X[:, 0] > 0.5
    pipeline = make_pipeline(BernoulliRBM(random_state=0), LogisticRegression())
    search = GridSearchCV(pipeline, {"bernoullirbm__n_components": [2, 8]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.9


def test_it_is_cloned_and_pickled_and_names_its_features() -> None:
    X = patterns()
    rbm = BernoulliRBM(4, n_iter=2, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(rbm))  # noqa: S301
    assert np.array_equal(again.transform(X), rbm.transform(X))
    assert not hasattr(clone(rbm), "components_")
    assert list(rbm.get_feature_names_out()) == [f"bernoullirbm{at}" for at in range(4)]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0.0, 1.5]], r"has values from 0 to 1.5: scale them.*visible_units='gaussian'"),
        ([[-1.0, 0.5]], "has values from -1 to 0.5"),
        ([[float("nan"), 0.5]], "NaN"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BernoulliRBM().fit(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 0),
        ("learning_rate", -1),
        ("batch_size", 2.5),
        ("n_iter", True),
        ("momentum", 1),
        ("visible_units", "poisson"),
        ("learning_rate_schedule", "cosine"),
    ],
)
def test_a_parameter_out_of_range_is_named_when_it_is_fitted(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} of BernoulliRBM is {value!r}: give "):
        BernoulliRBM(**{name: value}).fit(patterns())


def test_a_rate_at_which_training_diverges_is_told() -> None:
    X = 100 * np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(ValueError, match="diverged in pass"), warnings.catch_warnings():
        BernoulliRBM(4, visible_units="gaussian", learning_rate=9, random_state=0).fit(X)


# In the place of scikit-learn's estimator, the import changed only


@pytest.fixture(scope="module")
def nudged() -> list[Floats]:
    """The data of scikit-learn's example: digits, and the same moved by a pixel each way."""
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8)
    moves = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
    moved = [shift(images, (0, *move), order=0).reshape(len(X), -1) for move in moves]
    scaled = minmax_scale(np.concatenate(moved)).astype(np.float32)
    parts: list[Floats] = train_test_split(
        scaled, np.tile(y, len(moves)), test_size=0.2, random_state=0
    )
    return parts


@pytest.mark.slow
def test_scikit_learns_example_gets_features_as_good(nudged: list[Floats]) -> None:
    """`plot_rbm_logistic_classification`, with its parameters; 1,797 test images.

    The classifier is fitted until it converges. Accuracies of other seeds spread by 0.1 points
    (ours) and 0.6 (theirs), so that the mean difference of three has a standard error of 0.4: were
    the two equal, it would be a point below 0 three times in 1,000 trials.
    """
    X, X_test, y, y_test = nudged

    def accuracy(estimator: Any, seed: int) -> float:
        estimator.set_params(learning_rate=0.06, n_iter=10, n_components=100, random_state=seed)
        logistic = LogisticRegression(solver="newton-cg", C=6000)
        return float(make_pipeline(estimator, logistic).fit(X, y).score(X_test, y_test))

    ours, theirs = (
        [accuracy(kind(), seed) for seed in range(3)] for kind in (BernoulliRBM, Reference)
    )
    assert np.mean(ours) > 0.92
    assert np.mean(ours) >= np.mean(theirs) - 0.01


def test_scikit_learns_own_test_data_become_as_likely() -> None:
    """Those of its `test_fit`; pseudo-likelihoods of 50 random features of each of 100 images."""
    X = load_digits().data[:100] / 16
    params: dict[str, Any] = {"n_components": 64, "n_iter": 7, "random_state": 9}
    means = []
    for estimator in (BernoulliRBM(**params), Reference(**params)):
        estimator.fit(X)
        scores = [estimator.set_params(random_state=r).score_samples(X) for r in range(50)]
        means.append(np.mean(scores))
    assert means[0] > means[1] - 0.1
