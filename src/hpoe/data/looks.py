"""What pictures look like: sizes, modes and polarity, and whether they are marks on a sheet."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from hpoe.compute.parallel import run_in_order
from hpoe.data.intake import ANY_SIZE, BATCH, content_of, reason
from hpoe.data.labelled import Arrays, Files
from hpoe_recognition.formats import ImageError
from hpoe_recognition.images import open_picture
from hpoe_recognition.preprocessing import contrast_grey, darkness, ink_is_light, working
from hpoe_recognition.transparency import opaque

GROUND, FAINT, MOST_FAINT = 0.6, 0.1, 0.5
"""Marks on a sheet: at least this share of the pixels is ground, which is lighter than FAINT, and
at most this share of the others is between it and half dark."""
HALF_DARK = 0.5


@dataclass(frozen=True)
class Looks:
    """What the sampled pictures look like."""

    seen: int
    """Pictures that could be read."""
    sizes: Counter[tuple[int, int]]
    """Pictures by rows and columns."""
    modes: Counter[str]
    """Pictures that are grey, colour, or have transparent parts."""
    light: int
    """Pictures with light marks on a dark ground."""
    ink: int
    """Pictures that look like marks on a sheet of one colour."""


@dataclass(frozen=True)
class Seen:
    """One picture: a digest of its pixels and its looks, or why it cannot be read."""

    digest: bytes
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    is_light: bool = False
    is_ink: bool = False
    fault: str = ""


def summed(readable: list[Seen]) -> Looks:
    """Return what pictures that could be read look like."""
    return Looks(
        len(readable),
        Counter(each.size for each in readable),
        Counter(each.mode for each in readable),
        sum(each.is_light for each in readable),
        sum(each.is_ink for each in readable),
    )


def look_at(pictures: Arrays | Files, places: range, workers: int) -> list[Seen]:
    """Look at some pictures, in processes where they are many."""
    chosen = [pictures[place] for place in places]
    tasks = [chosen[at : at + BATCH] for at in range(0, len(chosen), BATCH)]
    batches = run_in_order(_look, tasks, max(1, min(workers, len(tasks))))
    return [each for batch in batches for each in batch]


def _look(pictures: Arrays | Files) -> list[Seen]:
    return list(_each(pictures))


def _each(pictures: Arrays | Files) -> Iterator[Seen]:
    for picture in pictures:
        try:
            if isinstance(picture, np.ndarray):
                yield _describe(opaque(Image.fromarray(picture)), has_alpha=False)
            else:
                content = content_of(picture)
                opened = open_picture(content, ANY_SIZE)
                yield _describe(opened, has_alpha=_has_alpha(content))
        except ImageError as error:
            yield Seen(b"", fault=reason(error))


def _has_alpha(content: bytes) -> bool:
    with Image.open(BytesIO(content)) as picture:
        return bool(picture.has_transparency_data)


def _describe(picture: Image.Image, has_alpha: bool) -> Seen:
    """Say what a picture, grey or RGB, looks like."""
    pixels = np.asarray(picture)
    is_grey = pixels.ndim == 2 or not (pixels != pixels[..., :1]).any()
    grey = working(contrast_grey(picture))
    is_light = ink_is_light(grey)
    digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
    return Seen(
        digest.digest(),
        (picture.height, picture.width),
        "transparent" if has_alpha else "grey" if is_grey else "colour",
        is_light,
        _is_ink(255 - grey if is_light else grey),
    )


def _is_ink(grey: np.ndarray) -> bool:
    """Whether a picture is of dark marks on a lighter ground of one colour."""
    dark = darkness(grey)
    marks = dark[dark >= FAINT]
    if not marks.size or marks.size > (1 - GROUND) * dark.size:
        return False
    return float(np.mean(marks < HALF_DARK)) <= MOST_FAINT
