"""Fitted nets as files."""

from pathlib import Path

import numpy as np
import pytest

from hpoe.errors import WeightsError
from hpoe.evaluation.fits import averaged, load_fit, save_fit
from hpoe.method.classifier import Fit
from hpoe.tensors import save_tensors
from hpoe_recognition.logistic import LogisticNet


def some_fit(chosen: float = 0.03) -> Fit:
    rng = np.random.default_rng(0)
    net, other = (LogisticNet(rng.normal(size=(30, 10)), rng.normal(size=10)) for _ in range(2))
    return Fit(net, other, chosen, (0.0125, 0.1 / 3))


@pytest.mark.parametrize("chosen", [0.03, 417.0])
def test_a_fit_comes_back_to_the_last_bit(tmp_path: Path, chosen: float) -> None:
    fit = some_fit(chosen)
    save_fit(tmp_path / "fit", fit)
    found = load_fit(tmp_path / "fit")
    for kept, given in ((found.net, fit.net), (found.validation_net, fit.validation_net)):
        np.testing.assert_array_equal(kept.weights, given.weights)
        np.testing.assert_array_equal(kept.biases, given.biases)
    save_fit(tmp_path / "again", fit)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "fit").read_bytes()
    assert found.chosen == chosen
    assert found.validation_loss == fit.validation_loss


def test_one_network_keeps_its_name_and_several_have_one_that_no_other_choice_has() -> None:
    choices = [("a",), ("b",), ("a", "b"), ("b", "a"), ("a", "b", "c")]
    assert averaged(("a",)) == "a"
    assert len({averaged(choice) for choice in choices}) == len(choices)


def test_a_missing_file_or_one_of_another_kind_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="gone is missing: run `dvc repro` to make it"):
        load_fit(tmp_path / "gone")
    save_tensors(tmp_path / "rbm", {"weights": np.zeros((3, 2))}, {"fingerprint": "ab12"})
    with pytest.raises(WeightsError, match=r"rbm .*: delete it and run `dvc repro`"):
        load_fit(tmp_path / "rbm")
