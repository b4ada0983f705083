"""What an inspection finds, made up; and a folder of small pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpoe.data.inspection import Findings
from hpoe.data.looks import Looks
from hpoe.data.proposal import Proposal


def found(**changes: Any) -> Findings:
    """Findings in three classes, with some values replaced."""
    source = changes.get("source", "folder")
    classes = changes.get("classes", {"heart": 40, "moon": 30, "star": 50})
    proposal = Proposal(
        source,
        "/pictures",
        (20, 28),
        "ink",
        changes.get("columns"),
        0.7,
        0.3,
        0.2,
        {"preparation": "marks on paper"},
    )
    images = sum(classes.values())
    looks = Looks(images, Counter({(20, 28): images}), Counter(grey=images), images, images)
    return Findings("/pictures", source, classes, {}, 0, looks, [], 0, [], 0, [], proposal)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with twelve pictures of each of two classes."""
    rng, root = np.random.default_rng(0), tmp_path / "pictures"
    for label in ("heart", "star"):
        (root / label).mkdir(parents=True)
        for number in range(12):
            values = rng.integers(0, 256, (12, 10), dtype=np.uint8)
            Image.fromarray(values).save(root / label / f"{number}.png")
    return root
