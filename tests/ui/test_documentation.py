"""The built documentation: no warning, formulas that browsers show, examples that run."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib import pyplot
from PIL import Image

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as `make docs` does it; a warning is an error (mkdocs.yml)."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation_and_links_to_files_that_exist(site: Path) -> None:
    """Scripts and styles too: nothing is loaded from other hosts."""
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {path.parent.name for path in site.glob("*/index.html")} == pages
    for page in site.glob("**/index.html"):
        for link in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text()):
            if not link.startswith(("https:", "http:", "mailto:", "data:", "/")):
                assert (page.parent / link).exists(), f"{page}: {link}"
        loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="(https?:[^"]+)', page.read_text())
        assert loaded == []


def test_formulas_are_mathml(site: Path) -> None:
    html = (site / "how-it-works/index.html").read_text()
    text = re.sub(r"<code>.*?</code>|<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert text.count("<math") > 30
    assert "$" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_reference_has_every_parameter(site: Path) -> None:
    from hpoe import BernoulliRBM, HierarchicalExpertsClassifier, JointRBM

    html = (site / "api/index.html").read_text()
    for estimator in (BernoulliRBM(), HierarchicalExpertsClassifier(), JointRBM()):
        for name in estimator.get_params():
            assert f">{name}</code>" in html


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_draws_the_picture_that_the_gallery_shows(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: a new one would import PyTorch and scikit-learn for each of them."""
    gallery = (ROOT / "docs/gallery.md").read_text()
    assert f'--8<-- "examples/{example.name}"' in gallery
    assert f"(images/gallery/{example.stem}.png)" in gallery
    drawn = tmp_path / "picture.png"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(example), str(drawn)])
    runpy.run_path(str(example), run_name="__main__")
    pyplot.close("all")
    shown = ROOT / "docs/images/gallery" / f"{example.stem}.png"
    assert size(drawn) == size(shown)


def size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size
