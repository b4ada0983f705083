"""Dataclasses of arrays as named arrays of a safetensors file, and back."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from numpy.typing import NDArray

Part = TypeVar("Part")


def to_arrays(part: Any, prefix: str) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    """Return the arrays of a dataclass and of the dataclasses in it, as PREFIX and PART/FIELD."""
    arrays: dict[str, NDArray[Any]] = {}
    for field in fields(part):
        name, value = f"{prefix}{field.name}", getattr(part, field.name)
        arrays |= to_arrays(value, f"{name}/") if is_dataclass(value) else {name: value}
    return arrays


def from_arrays(kind: type[Part], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Part:
    """Make a dataclass from the arrays that `to_arrays` returned."""
    values: dict[str, Any] = {}
    for field, of in get_type_hints(kind).items():
        name = f"{prefix}{field}"
        is_part = isinstance(of, type) and is_dataclass(of)
        values[field] = from_arrays(of, arrays, f"{name}/") if is_part else arrays[name]
    return kind(**values)
