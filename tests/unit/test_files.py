"""Files that are whole or not there: errors, kills and full disks, most of them real."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hpoe.errors import HpoeError, StorageError
from hpoe.files import digest, replacing, write_bytes, write_json


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def run(code: str, *arguments: object, cwd: Path | None = None) -> str:
    """What a fresh process prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_content_is_written_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deeper" / "file.bin"
    write_bytes(path, b"new")
    assert listing(path.parent) == {"file.bin": b"new"}


def test_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"a long old content")
    write_bytes(path, b"new")
    assert listing(tmp_path) == {"file.bin": b"new"}


def test_whoever_reads_the_old_file_goes_on_reading_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_bytes(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_the_file_is_whole_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen, sync = tmp_path / "file.bin", [], os.fsync
    path.write_bytes(b"old")

    def watched(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").readlink()
        seen.append((path.read_bytes(), name.parent, name.read_bytes()))
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    write_bytes(path, b"new")
    assert seen == [(b"old", tmp_path, b"new")]
    assert path.read_bytes() == b"new"


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), HpoeError("x")])
@pytest.mark.parametrize("before", [{}, {"file.bin": b"old"}])
def test_an_error_while_writing_changes_nothing_and_leaves_nothing(
    tmp_path: Path, error: BaseException, before: dict[str, bytes]
) -> None:
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(type(error)) as caught:
        write_half(tmp_path / "file.bin", error)
    assert caught.value is error
    assert listing(tmp_path) == before


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_sweeps(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
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
    assert len(listing(tmp_path)) == 2
    write_bytes(path, b"new")
    assert listing(tmp_path) == {"file.bin": b"new"}


def test_only_leftovers_of_the_same_file_are_swept(tmp_path: Path) -> None:
    pid = dead_process()
    kept = {f".other.bin.{pid}.tmp": b"1", "file.bin.tmp": b"2", f"file.bin.{pid}.tmp": b"3"}
    for name, content in {**kept, f".file.bin.{pid}.tmp": b"half"}.items():
        (tmp_path / name).write_bytes(content)
    write_bytes(tmp_path / "file.bin", b"new")
    assert listing(tmp_path) == dict(sorted({**kept, "file.bin": b"new"}.items()))


def test_what_a_live_writer_of_the_same_file_is_writing_is_not_swept(tmp_path: Path) -> None:
    """The number in a temporary's name tells whether its writer lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as writer:
        half = tmp_path / f".file.bin.{writer.pid}.tmp"
        half.write_bytes(b"half")
        write_bytes(tmp_path / "file.bin", b"new")
        is_left = half.exists()
        writer.kill()
    assert is_left


# Faults of the disk


def full_disk(temporary: Path) -> None:
    """The kernel's own "no space left on device"."""
    temporary.write_bytes(b"half")
    Path("/dev/full").write_bytes(b"x")


def test_a_full_disk_is_told_with_the_file_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with (
        pytest.raises(StorageError, match=r"the disk is full.*free some space") as caught,
        replacing(path) as temporary,
    ):
        full_disk(temporary)
    assert str(path) in str(caught.value)
    assert listing(tmp_path) == {"file.bin": b"old"}


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EIO, "could not be written: Input/output error"),
    ],
)
def test_what_fails_only_when_flushed_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError, match=says) as caught:
        write_bytes(path, b"new")
    assert str(path) in str(caught.value)
    assert listing(tmp_path) == {"file.bin": b"old"}


REPORT = """
import sys
from pathlib import Path
from hpoe.errors import StorageError
from hpoe.files import write_bytes
{before}
try:
    write_bytes(Path(sys.argv[1]), bytes(2000))
except StorageError as error:
    print(error)
"""


def test_a_limit_on_the_size_of_files_is_told_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert run(REPORT.format(before=limit), path) == (
        f"{path} could not be written: File too large\n"
    )
    assert listing(tmp_path) == {"file.bin": b"old"}


@pytest.mark.parametrize("mode", [0o555, 0o444], ids=["read-only", "not to be entered"])
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, mode: int) -> None:
    """As nobody, where the tests run as root, whom no mode keeps out."""
    folder = tmp_path / "folder"
    folder.mkdir()
    tmp_path.chmod(0o755)
    folder.chmod(mode)
    drop = (
        "import os\nif os.geteuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    )
    try:
        said = run(REPORT.format(before=drop), "folder/file.bin", cwd=tmp_path)
    finally:
        folder.chmod(0o755)
    assert said == "folder/file.bin could not be written: Permission denied\n"
    assert listing(folder) == {}


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"not a folder")
    with pytest.raises(StorageError, match=r"models/file\.bin could not be written"):
        write_bytes(tmp_path / "models" / "file.bin", b"new")
    assert listing(tmp_path) == {"models": b"not a folder"}


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(StorageError, match=r"file\.bin could not be written: Is a directory"):
        write_bytes(tmp_path / "file.bin", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="File name too long"):
        write_bytes(tmp_path / ("x" * 300), b"new")
    assert not listing(tmp_path)


# Content


@pytest.mark.parametrize(
    "content", [{"b": [1, 2.5], "a": None}, [], "ä", {"nested": {"deep": True}}]
)
def test_json_comes_back_and_ends_with_a_newline(tmp_path: Path, content: object) -> None:
    path = tmp_path / "file.json"
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    assert path.read_text().endswith("\n")


@pytest.mark.parametrize(
    ("algorithm", "reference"), [("sha256", hashlib.sha256), ("md5", hashlib.md5)]
)
def test_digests_are_those_of_the_content(
    tmp_path: Path, algorithm: str, reference: "Callable[[bytes], hashlib._Hash]"
) -> None:
    content = bytes(range(256)) * 5000  # more than is read at once
    (tmp_path / "file.bin").write_bytes(content)
    assert digest(tmp_path / "file.bin", algorithm) == reference(content).hexdigest()


def test_the_default_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"abc")
    assert digest(tmp_path / "file.bin").startswith("ba7816bf")  # FIPS 180-2, appendix B.1
