"""Errors that a user can fix: each message is one sentence that says what to do.

HpoeError
├── ParamsError           params.yaml: an unknown key, a wrong type, a value out of range
├── SettingsError         an HPOE_* variable or .env: an unknown key, a value out of range,
│                         a device that is not there
├── DataError             a data file that is missing, damaged or not the expected one
│   └── DownloadError     no source could deliver the data
├── WeightsError          a weights file or checkpoint that is damaged or of another format
├── TrainingError         numbers that training makes are not finite
├── StorageError          the disk is full, or a file cannot be written
├── TrackingError         the tracking store cannot be used
│   └── UnreachableError  the tracking server does not answer
├── GitError              git fails or is not installed
├── ProjectError          a project cannot be made in a folder, or lacks what a command needs
├── RegistryError         the registered model lacks what was asked of it
│   └── PackageError      a version cannot be loaded, or fails
├── CheckoutError         a run's state cannot be restored, or work would be lost
├── ReplicationError      kept results of the paper's experiments are missing or cannot be used
├── SweepError            a pipeline of a sweep failed
├── WorkerError           a worker process died
├── ClusterError          the Ray cluster cannot be used
├── ServingError          the server cannot start: a port that is taken
└── RequestError          a request that the server refuses
"""

from hpoe.secrets import without_secrets


class HpoeError(Exception):
    """Root of the errors that a user can fix; the message is the whole report."""

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class ParamsError(HpoeError):
    """params.yaml is missing or invalid."""


class SettingsError(HpoeError):
    """An HPOE_* setting is unknown, out of range, or asks for a device that is not there."""


class DataError(HpoeError):
    """A data file is missing, damaged or not the expected one."""


class DownloadError(DataError):
    """No source could deliver the data."""


class WeightsError(HpoeError):
    """A weights file or checkpoint is damaged or of another format."""


class TrainingError(HpoeError):
    """Numbers that training makes are not finite."""


class StorageError(HpoeError):
    """A file could not be written."""


class TrackingError(HpoeError):
    """The tracking store cannot be used."""


class UnreachableError(TrackingError):
    """The tracking server does not answer."""


class GitError(HpoeError):
    """Git fails or is not installed."""


class ProjectError(HpoeError):
    """A project cannot be made in a folder, or lacks what a command needs."""


class RegistryError(HpoeError):
    """The registered model, or a version of it, does not exist or cannot be compared."""


class PackageError(RegistryError):
    """The package of a registered version cannot be loaded, or fails."""


class CheckoutError(HpoeError):
    """A run's state cannot be restored without losing work, or at all."""


class ReplicationError(HpoeError):
    """The paper's experiments failed, or their results are missing or of another version."""


class SweepError(HpoeError):
    """A pipeline of a sweep failed."""


class WorkerError(HpoeError):
    """A worker process died before its work was done."""


class ClusterError(HpoeError):
    """The Ray cluster does not answer, cannot be joined, or lacks the files."""


class ServingError(HpoeError):
    """The server cannot start."""


class RequestError(HpoeError):
    """A request is refused; the message goes to the client, with an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
