"""Progress bars of the estimators."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def shown(items: Iterable[Item], total: int, unit: str, verbose: int) -> Iterator[Item]:
    """Pass items on as they come, with a progress bar if `verbose` asks for one."""
    if not verbose:
        return iter(items)
    from tqdm.auto import tqdm

    return iter(tqdm(items, total=total, unit=unit))
