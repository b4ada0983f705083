"""Dataclasses of arrays as named arrays of a safetensors file, and back."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from numpy.typing import NDArray

Part = TypeVar("Part")


class Dataclass(Protocol):
    """An instance of a dataclass whose fields are arrays or such dataclasses."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def to_arrays(part: Dataclass, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a dataclass, named by a prefix and the field, PREFIX/PART/FIELD."""
    arrays = {}
    for field in fields(part):
        name, value = f"{prefix}{field.name}", getattr(part, field.name)
        arrays |= to_arrays(value, f"{name}/") if is_dataclass(value) else {name: value}
    return arrays


def from_arrays(kind: type[Part], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Part:
    """Make a dataclass from the arrays that `to_arrays` returned."""
    values = {}
    for field, of in get_type_hints(kind).items():
        name = f"{prefix}{field}"
        values[field] = from_arrays(of, arrays, f"{name}/") if is_dataclass(of) else arrays[name]
    return kind(**values)
