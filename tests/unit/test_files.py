"""Files written at once or not at all: errors, kills and full disks, most of them real."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpoe.errors import DataError, HpoeError, StorageError
from hpoe.files import digest, read_json, replacing, write_bytes, write_json


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the content `old`, alone in its folder."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    return path


def test_folders_are_made_and_a_reader_of_the_old_file_goes_on_reading_it_whole(path: Path) -> None:
    write_bytes(path.parent / "deep/deeper/new.bin", b"new")
    assert listing(path.parent / "deep/deeper") == {"new.bin": b"new"}
    shutil.rmtree(path.parent / "deep")
    with path.open("rb") as reader:
        write_bytes(path, b"new")
        assert reader.read() == b"old"
    assert listing(path.parent) == {"file.bin": b"new"}


def test_the_file_is_on_the_disk_before_it_replaces_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, sync = [], os.fsync

    def watched(file: int) -> None:
        (temporary,) = set(path.parent.iterdir()) - {path}
        assert temporary.stat().st_ino == os.fstat(file).st_ino
        seen.append((path.read_bytes(), temporary.read_bytes()))
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    write_bytes(path, b"new")
    assert seen == [(b"old", b"new")]
    assert path.read_bytes() == b"new"


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), HpoeError("x")])
def test_an_error_while_writing_changes_nothing_and_leaves_nothing(
    path: Path, error: BaseException
) -> None:
    for target in (path, path.with_name("new.bin")):
        with pytest.raises(type(error)) as caught:
            write_half(target, error)
        assert caught.value is error
    assert listing(path.parent) == {"file.bin": b"old"}


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hpoe.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=20)
    assert path.read_bytes() == b"old"
    assert len(listing(path.parent)) == 2
    write_bytes(path, b"new")
    assert listing(path.parent) == {"file.bin": b"new"}


def test_only_what_dead_writers_of_the_same_file_left_is_removed(path: Path) -> None:
    """The number in a temporary file's name is that of its writer."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        leftover = f".file.bin.{dead.pid}.tmp"
        kept = {f".file.bin.{alive.pid}.tmp", f".other.bin.{dead.pid}.tmp", "file.bin.tmp"}
        for name in (leftover, *kept):
            (path.parent / name).write_bytes(b"half")
        write_bytes(path, b"new")
        found = set(listing(path.parent))
        alive.kill()
    assert found == {*kept, "file.bin"}


# Faults of the disk


def fill_the_disk(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        Path("/dev/full").write_bytes(b"x")  # the kernel's own "no space left on device"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_reported_with_the_file_and_what_to_do(path: Path) -> None:
    with pytest.raises(StorageError, match=r"the disk is full.*free some space") as caught:
        fill_the_disk(path)
    assert str(path) in str(caught.value)
    assert listing(path.parent) == {"file.bin": b"old"}


def test_a_fault_found_only_when_flushing_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError, match=r"file\.bin could not be written: Input/output error"):
        write_bytes(path, b"new")
    assert listing(path.parent) == {"file.bin": b"old"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("file.bin/below", "file.bin/below could not be written"),
        ("folder", "folder could not be written: Is a directory"),
        ("x" * 300, "could not be written: File name too long"),
    ],
)
def test_a_place_that_no_file_can_have_is_reported(path: Path, name: str, says: str) -> None:
    (path.parent / "folder").mkdir()
    with pytest.raises(StorageError, match=says):
        write_bytes(path.parent / name, b"new")
    assert {each.name for each in path.parent.iterdir()} == {"file.bin", "folder"}


# Content


def test_json_comes_back_and_ends_with_a_newline(path: Path) -> None:
    content = {"b": [1, 2.5], "a": None, "text": "ä", "nested": {"deep": True}}
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    assert path.read_text().endswith("\n")


def test_digests_are_those_of_the_content(path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than is read at once
    path.write_bytes(content)
    assert digest(path) == hashlib.sha256(content).hexdigest()
    assert digest(path, "md5") == hashlib.md5(content).hexdigest()  # noqa: S324


@pytest.mark.parametrize("content", [b"{", b"\xe9", b""])
def test_json_that_somebody_damaged_is_named_with_its_remedy(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.bin is damaged \(.*\): make it again"):
        read_json(path, "make it again")
    path.unlink()
    with pytest.raises(DataError, match=r"file\.bin is missing: make it again"):
        read_json(path, "make it again")
