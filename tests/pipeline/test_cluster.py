"""A layer stage on a real Ray cluster of two nodes: the bytes of a local run."""

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
