"""A layer stage on a real Ray cluster of two nodes: the bytes of a local run."""

import os
import socket
from collections.abc import Iterator

import pytest

from tests.pipeline.project import Project
from tests.unit.nodes import two_nodes

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpoe[ray]'")
STAGE = ("--force", "--single-item", "train_layer1@default")


@pytest.fixture
def address(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster's, whose workers find the code where the project's stages do."""
    monkeypatch.setenv("PYTHONPATH", project.environment["PYTHONPATH"])
    with two_nodes() as cluster:
        yield cluster.address


def test_a_layer_trained_on_a_cluster_has_the_bytes_of_a_local_run(
    project: Project, address: str
) -> None:
    project.repro("split")
    project.repro(*STAGE)
    local = project.weights()
    project.run("git", "clean", "-fdxq", "models", ".hpoe/digits")
    project.repro(*STAGE, HPOE_RAY_ADDRESS=address)
    assert project.log().count(" trained: ") == 10
    assert len(local) == 10
    assert project.weights() == local
    assert "kept" not in project.log()


def test_an_address_that_does_not_answer_is_one_sentence_before_anything_is_trained(
    project: Project,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"127.0.0.1:{listener.getsockname()[1]}"
    for command in (("hpoe", "check"), ("python", "pipelines/train_layer.py", "1", "default")):
        output = project.run(*command, expect=1, HPOE_RAY_ADDRESS=nobody)
        (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
        assert f"no Ray cluster answers at {nobody} (Connection refused)" in error
        assert " trained: " not in output
    assert os.linesep not in project.run("hpoe", "check", HPOE_RAY_ADDRESS="").strip()
