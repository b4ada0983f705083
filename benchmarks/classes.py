"""Many classes: a whole pipeline on characters, from `hpoe init` to a served model.

The images are of characters of one font, each slanted, turned, stretched and thickened at random.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks import projects
from benchmarks.measuring import console, machine, table
from hpoe.files import write_json
from hpoe.reporting import report_errors
from hpoe.settings import load_settings

REPORT = Path("reports/benchmarks/classes.json")
SIDE = 28
LAST = 0x2100
"""Above it are styled copies of the same letters."""
SHEET, SIZE = 84, 48
"""Pixels of the drawing, and of the font in it."""


@report_errors
def main(
    classes: Annotated[int, typer.Option(min=2, max=2000)] = 100,
    images: Annotated[int, typer.Option(min=20, help="Of each class.")] = 200,
) -> None:
    """Print and keep seconds by stage, the most memory used, and the test error."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = draw(classes, images, np.random.default_rng(1))
        np.savez(folder / "characters.npz", allow_pickle=False, **made)
        projects.make(folder / "project", folder / "characters.npz", {})
        seconds = projects.repro(folder / "project")
        stages = projects.stage_seconds(folder / "project")
        rates = projects.report(folder / "project", "shift_normalization.json")["soft"]
        size = sum(
            path.stat().st_size for path in (folder / "project/models").rglob("*.safetensors")
        )
    shown = table(f"{classes} classes of {images} images", "stage", "seconds", left=("stage",))
    for name, taken in stages.items():
        shown.add_row(name, f"{taken:.1f}")
    shown.add_row("dvc repro", f"{seconds:.1f}")
    console.print(shown)
    console.print(f"test error {rates['test_error_rate']:.2%}, weights {size / 2**20:,.0f} MiB")
    found = {"classes": classes, "images": images, "seconds": seconds, "stages": stages}
    write_json(
        REPORT.with_stem(f"classes_{classes}"),
        {**found, **rates, "weights_bytes": size, "machine": machine(load_settings().workers)},
    )


def draw(
    classes: int, images: int, rng: np.random.Generator
) -> dict[str, NDArray[np.uint8] | NDArray[np.str_]]:
    """Draw characters, each so many times: images [N, 28, 28], light on dark, and labels [N]."""
    path = findfont("DejaVu Sans")
    letters = [chr(code) for code in sorted(get_font(path).get_charmap()) if code < LAST]
    distinct = [letter for letter in letters if letter.isalpha() and letter.casefold() == letter]
    if len(distinct) < classes:
        raise typer.BadParameter(f"the font has {len(distinct)} different letters")
    font = ImageFont.truetype(path, SIZE)
    chosen = rng.choice(distinct, classes, replace=False)
    drawn = [_character(letter, font, rng) for letter in chosen for _ in range(images)]
    return {"images": np.stack(drawn), "labels": np.repeat(chosen, images)}


def _character(
    letter: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator
) -> NDArray[np.uint8]:
    sheet = Image.new("L", (SHEET, SHEET))
    ImageDraw.Draw(sheet).text(
        (SHEET / 2, SHEET / 2), letter, 255, font, "mm", stroke_width=int(rng.integers(0, 4))
    )
    a, e = rng.uniform(0.85, 1.2, 2)
    b, d = rng.uniform(-0.25, 0.25, 2)
    offset = SHEET / 2
    matrix = (a, b, offset * (1 - a - b), d, e, offset * (1 - d - e))
    bent = sheet.transform(sheet.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    blurred = bent.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5))))
    return np.asarray(blurred.resize((SIDE, SIDE), Image.Resampling.BOX))


if __name__ == "__main__":
    typer.run(main)
