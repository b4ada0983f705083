"""A real Ray cluster on this machine: a head without cores, and two nodes of one core each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NODES = 2


@contextmanager
def two_nodes() -> Iterator[Any]:
    """The cluster, as ray.cluster_utils makes it; all of its processes are ended in the end."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()
