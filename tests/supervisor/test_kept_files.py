"""replicate-api.md 3: files are kept within limits of number, size and age."""

import hashlib
from pathlib import Path

import pytest

from coglet_supervisor.kept_files import Description, FileLimits, KeptFile, KeptFiles, NoRoom, copy


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(tmp_path: Path, clock: Clock) -> KeptFiles:
    limits = FileLimits(max_files=3, max_bytes=10, ttl_s=60.0)
    return KeptFiles(tmp_path / "files", limits, clock=clock)


def keep(files: KeptFiles, content: bytes = b"abc") -> KeptFile:
    writer = files.new_writer()
    writer.write(content)
    return files.add(writer, writer.close(), Description("a.txt", "text/plain", {"n": 1}))


def on_disk(tmp_path: Path) -> int:
    return len(list((tmp_path / "files").iterdir()))


def test_a_file(files: KeptFiles) -> None:
    kept = keep(files)
    assert files.get(kept.id) is kept
    assert kept.path.read_bytes() == b"abc"
    assert (kept.size_bytes, kept.created_at, kept.expires_at) == (3, 1000.0, 1060.0)
    assert kept.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert kept.md5 == hashlib.md5(b"abc").hexdigest()
    assert kept.path.parent.stat().st_mode & 0o077 == 0


def test_the_list_has_the_latest_first(files: KeptFiles) -> None:
    kept = [keep(files), keep(files)]
    assert list(files.list()) == kept[::-1]


def test_a_file_that_is_deleted(files: KeptFiles, tmp_path: Path) -> None:
    kept = keep(files)
    assert files.delete(kept.id)
    assert not files.delete(kept.id)
    assert (files.get(kept.id), on_disk(tmp_path)) == (None, 0)


def test_files_expire(files: KeptFiles, clock: Clock, tmp_path: Path) -> None:
    keep(files)
    clock.now_s += 30
    second = keep(files)
    clock.now_s += 30
    assert list(files.list()) == [second]
    assert on_disk(tmp_path) == 1


def test_the_number_is_limited(files: KeptFiles, tmp_path: Path) -> None:
    first, *_ = [keep(files) for _ in range(3)]
    with pytest.raises(NoRoom, match="3 files are kept already"):
        keep(files)
    assert on_disk(tmp_path) == 3
    files.delete(first.id)
    keep(files)


def test_the_size_is_limited(files: KeptFiles, clock: Clock) -> None:
    keep(files, b"x" * 6)
    files.check_room(4)
    with pytest.raises(NoRoom, match="larger than 10 bytes"):
        files.check_room(5)
    clock.now_s += 60
    files.check_room(10)


def test_what_is_being_written_counts(files: KeptFiles, tmp_path: Path) -> None:
    writers = [files.new_writer() for _ in range(3)]
    with pytest.raises(NoRoom, match="3 files"):
        files.new_writer()
    writers[0].write(b"x" * 6)
    with pytest.raises(NoRoom, match="larger than 10 bytes"):
        files.check_room(5)
    for writer in writers:
        files.discard(writer)
    files.check_room(10)
    assert on_disk(tmp_path) == 0
    keep(files, b"x" * 10)


def test_a_copy(files: KeptFiles, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    writer = files.new_writer()
    assert copy(source, writer) == (hashlib.sha256(b"abc").hexdigest(), hashlib.md5(b"abc").hexdigest())
    files.discard(writer)
    assert on_disk(tmp_path) == 0
