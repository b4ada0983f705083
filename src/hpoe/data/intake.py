"""Intake: labelled images of any source as arrays of one size, prepared as the server does it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hpoe.compute.parallel import run_tasks
from hpoe.data import mnist, usps
from hpoe.data.assignment import originals
from hpoe.data.folder import read_folder
from hpoe.data.idx_files import read_idx_files
from hpoe.data.labelled import Arrays, Files, Labelled, checked, joined, name_of, some
from hpoe.data.npz import read_npz
from hpoe.errors import DataError
from hpoe.params import Data
from hpoe_recognition.formats import MNIST, Format, ImageError, prepared
from hpoe_recognition.images import Limits, open_picture
from hpoe_recognition.transparency import LOW_RANGE

BATCH = 256
"""Images per task of a worker."""
SECONDS = 15
"""Between two lines of progress."""
MOST_BYTES = 256 * 2**20
"""Of an image's file."""
ANY_SIZE = Limits()


@dataclass(frozen=True)
class Intake:
    """Prepared images and what is known of each, in the order of the source."""

    images: NDArray[np.uint8]
    """[N, rows, columns], 0 background."""
    labels: list[str]
    groups: list[str] | None = None
    """What each belongs to: a writer, a page, a device; None: nothing is known."""
    is_test: NDArray[np.bool_] | None = None
    """[N]: whether it is of the source's own test set; None if the source has none."""
    names: list[str] | None = None
    """What messages call each; None: by its position."""

    @cached_property
    def originals(self) -> NDArray[np.int64]:
        """The position [N] of the first image with the same pixels; a blank image's own."""
        return originals(self.images)

    def name(self, place: int) -> str:
        """What messages call an image."""
        return name_of(self.names, self.is_test, place)


def read_source(data: Data, raw: Path, workers: int, say: Callable[[str], None]) -> Intake:
    """Read, check and prepare all images of a source.

    Args:
        data: what and where it is.
        raw: the folder of the files that the stage `download` has fetched.
        workers: processes that prepare images.
        say: prints a line of progress.

    Raises:
        DataError: the source cannot be used as it is; the message says what to change.
    """
    found = read_labelled(data, raw)
    where = data.path or data.source
    if isinstance(found.pictures, np.ndarray):
        if data.source == "mnist" and data.format == MNIST:  # which its own images define
            return Intake(found.pictures, found.labels, is_test=found.is_test)
        _check_size(found.pictures, data, where)
    say(f"{len(found.labels):,} images from {where}")
    images, faults = prepare_all(found.pictures, data.format, workers, say)
    if not faults:
        return Intake(images, found.labels, found.groups, found.is_test, found.names)
    listed = [f"{name_of(found.names, found.is_test, place)}: {faults[place]}" for place in faults]
    if not data.skip_unreadable:
        raise DataError(
            f"{len(faults):,} of {len(found.labels):,} images of {where} cannot be used "
            f"({'; '.join(listed[:3])}{'; ...' if len(listed) > 3 else ''}): mend or remove them, "
            "or set data.skip_unreadable to true"
        )
    say(f"{len(faults):,} images cannot be used and are left out: {some(listed)}")
    return _without(found, images, [place for place in range(len(images)) if place not in faults])


def read_labelled(data: Data, raw: Path) -> Labelled:
    """Read a source as it is, with clean labels; files of pictures are not opened.

    Raises:
        DataError: it cannot be used; the message says what to change.
    """
    if data.source == "mnist":
        return _arrays(*vars(mnist.load(raw)).values())
    if data.source == "usps":
        return _arrays(*vars(usps.load(raw)).values())
    path = Path(data.path or "")
    if not path.exists():
        raise DataError(f"data.path is {data.path}, which does not exist")
    if data.source == "idx":
        found = read_idx_files(path)
    elif data.source == "npz":
        found = read_npz(path)
    elif data.columns is not None:
        from hpoe.data.table import read_table  # with pandas, which other sources do without

        found = read_table(path, data.columns, data.image_size)
    else:
        found = read_folder(path)
    return checked(found, path)


def _arrays(images: Arrays, labels: Arrays, test_images: Arrays, test_labels: Arrays) -> Labelled:
    every, is_test = joined(images, test_images, Path())
    return Labelled(every, [str(label) for label in [*labels, *test_labels]], is_test=is_test)


def _check_size(images: Arrays, data: Data, where: str) -> None:
    """Refuse all arrays at once where each would be refused for its size."""
    rows, columns = images.shape[1:3]
    if data.preparation == "as_is" and (rows, columns) != data.image_size:
        raise DataError(
            f"the images of {where} are {rows} x {columns}, and data.image_size is "
            f"{list(data.image_size)}: make it [{rows}, {columns}], or data.preparation fit"
        )


def _without(found: Labelled, images: NDArray[np.uint8], kept: Sequence[int]) -> Intake:
    """Leave out what could not be read."""
    return Intake(
        images[kept],
        [found.labels[place] for place in kept],
        None if found.groups is None else [found.groups[place] for place in kept],
        None if found.is_test is None else found.is_test[kept],
        None if found.names is None else [found.names[place] for place in kept],
    )


def prepare_all(
    pictures: Arrays | Files, form: Format, workers: int, say: Callable[[str], None]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Prepare all images; those that cannot be are zeros.

    Returns:
        Images uint8 [N, rows, columns], and what is wrong with an image, by its position.
    """
    starts = range(0, len(pictures), BATCH)
    tasks = [(at, pictures[at : at + BATCH], form) for at in starts]
    images = np.zeros((len(pictures), form.rows, form.columns), np.uint8)
    faults: dict[int, str] = {}
    done, told = 0, time.monotonic()
    for first, results in run_tasks(_prepare_batch, tasks, max(1, min(workers, len(tasks)))):
        for place, result in enumerate(results, first):
            if isinstance(result, str):
                faults[place] = result
            else:
                images[place] = result
        done += len(results)
        if time.monotonic() - told > SECONDS:
            say(f"{done:,} of {len(pictures):,} images prepared")
            told = time.monotonic()
    return images, dict(sorted(faults.items()))


def _prepare_batch(
    task: tuple[int, Arrays | Files, Format],
) -> tuple[int, list[NDArray[np.uint8] | str]]:
    first, pictures, form = task
    return first, list(_prepare_each(pictures, form))


def _prepare_each(pictures: Arrays | Files, form: Format) -> Iterator[NDArray[np.uint8] | str]:
    """Yield an image, or what is wrong with it."""
    for picture in pictures:
        try:
            if not isinstance(picture, np.ndarray):
                yield prepared(open_picture(content_of(picture), ANY_SIZE), form)
            elif form.preparation == "as_is" and picture.ndim == 2 and picture.max() > LOW_RANGE:
                yield picture
            else:  # as the server does it with a file of these levels
                yield prepared(Image.fromarray(picture), form)
        except ImageError as error:
            yield reason(error)


def reason(error: ImageError) -> str:
    """Return what is wrong with an image, without what a client of the server should send."""
    return str(error).partition(": send ")[0]


def content_of(picture: Path | bytes) -> bytes:
    """Return the bytes of an image file.

    Raises:
        ImageError: it is missing, empty, far too large or no file.
    """
    if isinstance(picture, bytes):
        if not picture:
            raise ImageError("there is no image")
        return picture
    try:
        if not picture.is_file():  # a pipe would be read for ever
            raise ImageError("there is no such file")
        size = picture.stat().st_size
        if not 0 < size <= MOST_BYTES:
            raise ImageError("the file is empty" if not size else f"the file has {size:,} bytes")
        return picture.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}") from None
