"""Dispatching training tasks to this machine's processes, a Ray cluster, or a GPU.

A stage only dispatches, so this module does not import torch; the workers do.
"""

from collections.abc import Iterator, Sequence

from hpoe.compute.parallel import run_tasks
from hpoe.errors import SettingsError
from hpoe.settings import Settings
from hpoe.training.tasks import Device, Trained, TrainingTask


def train(task: TrainingTask) -> Trained:
    """Train one layer of one class in this process."""
    from hpoe.training.layer import train_layer

    return train_layer(task)


def find_device(settings: Settings) -> Device:
    """The device on which layers are trained.

    Raises:
        SettingsError: a GPU is required, and there is none that PyTorch can use.
    """
    if settings.device == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "auto":
        return "cpu"
    raise SettingsError(
        f"HPOE_DEVICE is cuda, but PyTorch {torch.__version__} finds no GPU: install its driver "
        "and a CUDA build of PyTorch, or set HPOE_DEVICE to cpu"
    )


def train_all(tasks: Sequence[TrainingTask], settings: Settings) -> Iterator[Trained]:
    """Train a layer of many classes; yield results as they become ready.

    On a GPU all classes train at once; otherwise one per core of this machine or of a Ray cluster.
    """
    if tasks[0].device == "cuda":
        from hpoe.training.gpu import train_together

        return train_together(tasks)
    return run_tasks(train, tasks, settings.workers, settings.ray_address)
