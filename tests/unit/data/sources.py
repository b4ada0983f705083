"""What the tests of sources share: params, pictures and folders of them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hpoe.data.intake import Intake, read_source
from hpoe.params import Data


def data(source: str, path: Path | None, **given: Any) -> Data:
    """Params of a source of 8 x 8 arrays, but what is given."""
    usual = {
        "source": source,
        "path": None if path is None else str(path),
        "image_size": (8, 8),
        "preparation": "as_is",
        "skip_unreadable": False,
        "columns": None,
    }
    return Data.model_validate({**usual, **given})


def intake(source: str, path: Path, **given: Any) -> Intake:
    """Read a source in this process."""
    return read_source(data(source, path, **given), path, 1, lambda _: None)


def picture(number: int) -> np.ndarray:
    """An 8 x 8 picture, light on dark, different for every number."""
    pixels = np.zeros((8, 8), np.uint8)
    pixels[2:6, 2:6] = 200 + np.arange(4)
    pixels[3, 3], pixels[4, 4] = 100 + number // 100, 100 + number % 100
    return pixels


def save(path: Path, number: int) -> Path:
    """Write a picture as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(path)
    return path


def classes(root: Path, count: int = 2, names: tuple[str, ...] = ("a", "b")) -> Path:
    """Make a folder with some pictures of each class."""
    for first, name in enumerate(names):
        for number in range(count):
            save(root / name / f"{number}.png", 20 * first + number)
    return root
