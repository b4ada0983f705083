"""USPS: read as its description says, cut as section 6 needs, refused if it is another file."""

import gzip
import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from hpoe.data import usps
from hpoe.errors import DataError, DownloadError

NAMES = ("zip.train.gz", "zip.test.gz")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of USPS's format: forty training images of digits 0, 1 and twelve test images."""
    folder = tmp_path / "source"
    folder.mkdir()
    rng, digests = np.random.default_rng(0), {}
    for name, images in zip(NAMES, (40, 12), strict=True):
        pixels = rng.integers(0, 256, (images, 256)) / 127.5 - 1
        lines = [
            f"{place % 2}.0000 " + " ".join(f"{value:.4f}" for value in row) + " "
            for place, row in enumerate(pixels)
        ]
        (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))
        digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(usps, "SHA256", digests)
    return folder


def test_each_digits_images_are_cut_in_order(source: Path, tmp_path: Path) -> None:
    said: list[str] = []
    usps.fetch(tmp_path / "raw", source, said.append)
    assert len(said) == len(NAMES)
    found = dict(usps.split(tmp_path / "raw", 0.75))
    assert list(found) == [0, 1]
    for digit, images in found.items():
        assert images.unsupervised.shape == (15, 16, 16)
        sizes = [len(part) for part in (images.fit, images.validation, images.test)]
        assert sizes == [2, 3, 6]
        index = np.concatenate([images.unsupervised_index, images.fit_index])
        index = np.concatenate([index, images.validation_index])
        np.testing.assert_array_equal(index, np.arange(digit, 40, 2))


def test_intensities_are_background_0_to_ink_255(source: Path, tmp_path: Path) -> None:
    usps.fetch(tmp_path / "raw", source, print)
    expected = np.random.default_rng(0).integers(0, 256, (40, 256))
    found = dict(usps.split(tmp_path / "raw", 0.75))[1].unsupervised
    np.testing.assert_array_equal(found.reshape(15, 256), expected[1:30:2])


def test_what_is_there_and_whole_is_kept(source: Path, tmp_path: Path) -> None:
    usps.fetch(tmp_path / "raw", source, print)
    (source / NAMES[0]).unlink()
    usps.fetch(tmp_path / "raw", source, print)
    (tmp_path / "raw" / NAMES[0]).write_bytes(b"cut short")
    with pytest.raises(DataError, match=r"has no zip\.train\.gz"):
        usps.fetch(tmp_path / "raw", source, print)


def test_another_file_is_refused(source: Path, tmp_path: Path) -> None:
    (source / NAMES[1]).write_bytes(b"something else")
    with pytest.raises(DataError, match=r"zip\.test\.gz is not USPS's: its SHA-256 is"):
        usps.fetch(tmp_path / "raw", source, print)


def test_no_mirror_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usps, "MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(DownloadError, match="or set HPOE_USPS_DIR to a folder"):
        usps.fetch(tmp_path / "raw", None, print)


def test_a_mirror_with_another_file_is_passed_over(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in NAMES:
        (other / name).write_bytes(b"something else")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(usps, "MIRRORS", (f"{address}/other/", f"{address}/source/"))
        try:
            usps.fetch(tmp_path / "raw", None, print)
        finally:
            server.shutdown()
    for name in NAMES:
        assert (tmp_path / "raw" / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"6.0 -1.0 a\n", mtime=0)])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"zip\.train\.gz is missing or damaged"):
        list(usps.split(tmp_path, 0.75))
