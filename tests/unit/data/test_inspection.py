"""Inspection: what a data set is like is counted, and the proposal follows from it and works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from hpoe.data import inspection
from hpoe.data.division import make_split
from hpoe.data.guesses import guess, guess_columns, guess_source
from hpoe.data.inspection import Findings, inspect, report
from hpoe.data.split import labels_in
from hpoe.errors import DataError
from hpoe.params import Data, Split
from tests.unit.data.sources import classes, data, picture, save

Draw = Callable[[np.random.Generator], NDArray[np.uint8]]


def folder(root: Path, draw: Draw, count: int = 15) -> Path:
    """Pictures of two classes, drawn by a function."""
    rng = np.random.default_rng(0)
    for label in "ab":
        (root / label).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draw(rng)).save(root / label / f"{number}.png")
    return root


def marks(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two dark strokes on white paper, 60 x 90."""
    pixels = np.full((60, 90), 240, np.uint8)
    row, column = rng.integers(10, 40), rng.integers(10, 70)
    pixels[10:50, column : column + 5], pixels[row : row + 5, 15:75] = 20, 20
    return pixels


def scene(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture in colour without a ground, 40 x 80."""
    coarse = rng.integers(0, 256, (4, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((80, 40), Image.Resampling.BICUBIC))


def small(rng: np.random.Generator) -> NDArray[np.uint8]:
    return picture(int(rng.integers(0, 10_000)))


@pytest.mark.parametrize(
    ("draw", "preparation", "size"),
    [(small, "as_is", (8, 8)), (marks, "ink", (28, 28)), (scene, "fit", (20, 40))],
)
def test_the_preparation_follows_from_the_pictures_and_can_be_used(
    tmp_path: Path, draw: Draw, preparation: str, size: tuple[int, int]
) -> None:
    """The stub of `ink` knows 28 x 28 only, as the proposal does."""
    findings = inspect(folder(tmp_path / "pictures", draw))
    proposal = findings.proposal
    assert (proposal.preparation, proposal.image_size) == (preparation, size)
    assert (proposal.source, proposal.test) == ("folder", 0.2)
    assert set(proposal.reasons) == {
        *("preparation", "image_size", "test", "unsupervised_per_class", "supervised_per_class")
    }
    blocks = proposal.blocks()
    chosen, sizes = Data.model_validate(blocks["data"]), Split.model_validate(blocks["split"])
    split = tmp_path / "split"
    make_split(split, chosen, sizes, 1, raw=tmp_path, workers=1, say=print)
    assert labels_in(split) == ["a", "b"]


def test_dark_marks_of_one_small_size_are_no_arrays_yet(tmp_path: Path) -> None:
    findings = inspect(folder(tmp_path, lambda rng: 255 - small(rng)))
    assert findings.proposal.preparation != "as_is"
    assert findings.looks.light == 0


def test_what_is_odd_is_counted_and_named(tmp_path: Path) -> None:
    root = classes(tmp_path / "train", count=12, names=("a", "b", "few"))
    classes(tmp_path / "test", count=3, names=("a", "b"))
    for number in range(3):
        save(tmp_path / "test" / "b" / f"{number}.png", 900 + number)
    for number in range(4, 12):
        (root / "few" / f"{number}.png").unlink()
    (root / "a" / "11.png").write_bytes(b"")
    save(root / "a" / "10.png", 1)  # as 1.png
    save(root / "b" / "10.png", 2)  # as 2.png of a
    Image.new("RGBA", (9, 10), (200, 0, 0, 90)).save(root / "b" / "9.png")
    found = inspect(tmp_path)
    assert found.classes == {"a": 12, "b": 12, "few": 4}
    assert found.test_classes == {"a": 3, "b": 3}
    assert found.broken == ["train/a/11.png: the file is empty"]
    assert found.repeated == 1
    assert found.contradictory == ["train/a/2.png = train/b/10.png"]
    assert found.shared_with_test == 3
    assert found.too_small == ["few"]
    assert found.looks.modes == {"grey": 32, "transparent": 1}
    assert found.looks.sizes == {(8, 8): 32, (10, 9): 1}
    assert found.proposal.test == "official"


def test_of_many_pictures_a_sample_of_all_classes_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "MOST_SEEN", 10)
    found = inspect(classes(tmp_path, count=24))
    assert found.images == 48
    assert found.looks.seen == 10


def test_a_folder_without_a_picture_that_can_be_read_is_refused(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_text("x")
    with pytest.raises(DataError, match=r"has no picture that can be read: a/1\.png: the image"):
        inspect(tmp_path)


# Guesses


def npz(path: Path) -> Path:
    np.savez(path, x=np.array([picture(n) for n in range(40)]), y=np.arange(40) % 2)
    return path


def table(path: Path) -> Path:
    pixels = np.array([picture(n) for n in range(40)]).reshape(40, 64)
    frame = pd.DataFrame(pixels, columns=[f"pixel{n}" for n in range(64)])
    frame.assign(label=np.arange(40) % 2).to_csv(path, index=False)
    return path


def test_the_kind_of_source_is_seen_from_the_path(tmp_path: Path) -> None:
    assert guess_source(npz(tmp_path / "some.npz")) == "npz"
    assert guess_source(table(tmp_path / "some.csv")) == "table"
    assert guess_source(tmp_path) == "table"
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert guess_source(tmp_path) == "idx"
    assert guess_source(classes(tmp_path / "folder")) == "folder"
    (tmp_path / "folder" / "labels.csv").write_text("x")
    assert guess_source(tmp_path / "folder") == "folder"
    (tmp_path / "notes.txt").write_text("x")
    for name, says in (("notes.txt", "is no data set: give a folder"), ("no", "does not exist")):
        with pytest.raises(DataError, match=says):
            guess_source(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["Label", "Image", "x"], ("Image", "Label", None)),
        (["file_name", "class", "writer"], ("file_name", "class", "writer")),
        (["label", "pixel0", "pixel1"], (None, "label", None)),
    ],
)
def test_columns_are_guessed_by_their_usual_names(
    tmp_path: Path, names: list[str], columns: tuple[str | None, ...]
) -> None:
    (tmp_path / "some.csv").write_text(",".join(names) + "\n")
    found = guess_columns(tmp_path / "some.csv")
    assert (found.image, found.label, found.group) == columns


def test_a_table_without_a_usual_column_of_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"has no column that is called label, .* but 'a', 'b'"):
        guess(tmp_path / "some.csv")


@pytest.mark.parametrize("make", [npz, table])
def test_arrays_are_proposed_as_they_are(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / ("some.npz" if make is npz else "some.csv"))
    proposal = inspect(path).proposal
    assert (proposal.preparation, proposal.image_size) == ("as_is", (8, 8))
    assert (proposal.columns is not None) == (make is table)


def test_a_source_that_is_no_ones_own_is_not_inspected() -> None:
    with pytest.raises(DataError, match="there is nothing to find"):
        inspect(data("mnist", None))


# The report


def shown(findings: Findings) -> str:
    console = Console(width=80, file=None)
    with console.capture() as capture:
        console.print(report(findings))
    return capture.get()


def test_the_report_says_what_was_found_and_fits_into_80_columns(tmp_path: Path) -> None:
    root = classes(tmp_path, count=12, names=("[bold]", "b"))
    (root / "b" / "1.png").write_bytes(b"")
    text = shown(inspect(root))
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in ("2: [bold] (12), b (12)", "8 x 8 (100%)", "grey 100%", "b/1.png: the file is"):
        assert part in text
    assert "image_size" in text
    for absent in ("test set", "groups", "repeated", "contradictory"):
        assert absent not in text.split("Proposed")[0]


def test_many_classes_are_listed_in_part(tmp_path: Path) -> None:
    names: Any = tuple(str(number) for number in range(40))
    text = shown(inspect(classes(tmp_path, count=1, names=names)))
    assert "40: 0 (1), 1 (1)" in text
    assert "19 (1), ..." in text
