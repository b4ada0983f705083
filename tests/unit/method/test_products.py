"""Products: as exact as float32 whichever library makes them, and without a gradient lost."""

from pathlib import Path
from platform import machine

import numpy as np
import pytest
import torch

from hpoe.method import products
from hpoe.method.processor import Processor, processor
from hpoe.method.products import LARGE, affine


def some(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(len(shape)).normal(size=shape)).to(dtype)


@pytest.fixture(params=["oneDNN", "MKL"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each, whichever this processor would have."""
    if request.param == "oneDNN" and not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this PyTorch is built without oneDNN")
    monkeypatch.setattr(products, "_prefers_onednn", lambda: request.param == "oneDNN")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("shape", [(50, 784, 500), (50, 100, 100), (1, 3, 2), (4400, 784, 25)])
@pytest.mark.parametrize("with_biases", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_products_of_any_size_are_those_of_float64(
    shape: tuple[int, int, int], with_biases: bool, transposed: bool
) -> None:
    """Each sum is within the bound of any order of summation (Higham 2002, section 3.1)."""
    images, visible, hidden = shape
    x, biases = some(images, visible), some(hidden) if with_biases else None
    weights = some(hidden, visible).t() if transposed else some(visible, hidden)
    found = affine(x, weights, biases)
    assert found.dtype == torch.float32
    offset = torch.zeros(hidden) if biases is None else biases
    exact = torch.addmm(offset.double(), x.double(), weights.double())
    sizes = torch.addmm(offset.abs().double(), x.abs().double(), weights.abs().double())
    assert ((found.double() - exact).abs() <= (visible + 1) * 2**-24 * sizes).all()


@pytest.mark.usefixtures("library")
def test_large_products_keep_the_gradient_and_the_digits_of_float64() -> None:
    x, weights, biases = some(50, 784), some(784, 500), some(500)
    assert x.numel() * 500 >= LARGE
    (gradient,) = torch.autograd.grad(affine(x.requires_grad_(), weights, biases).sum(), x)
    torch.testing.assert_close(gradient, weights.sum(dim=1).expand(50, -1), rtol=1e-4, atol=1e-4)
    double = some(50, 784, dtype=torch.float64)
    exact = double @ weights.double()
    torch.testing.assert_close(affine(double, weights.double()), exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("vendor", "onednn"), [("GenuineIntel", False), ("AuthenticAMD", True)])
def test_mkl_is_preferred_on_intels_processors_alone(
    monkeypatch: pytest.MonkeyPatch, vendor: str, onednn: bool
) -> None:
    monkeypatch.setattr(products, "processor", lambda: Processor("of a test", vendor))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert products._prefers_onednn.__wrapped__() == onednn


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not on Linux")
def test_the_processor_is_the_one_that_linux_names() -> None:
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    expected = Processor(fields.get("model name", machine()), fields.get("vendor_id", ""))
    assert processor() == expected


def test_a_processor_without_a_description_is_named_by_its_architecture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert processor.__wrapped__() == Processor(machine(), "")
