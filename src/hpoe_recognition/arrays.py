"""Dataclasses of arrays as named arrays of a safetensors file, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeVar

from numpy.typing import NDArray

Part = TypeVar("Part")


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def to_arrays(part: Dataclass, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a dataclass, named by a prefix and the field."""
    return {f"{prefix}{field.name}": getattr(part, field.name) for field in fields(part)}


def from_arrays(kind: type[Part], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Part:
    """Make a dataclass from the arrays that `to_arrays` named."""
    return kind(**{name: arrays[f"{prefix}{name}"] for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]
