"""replicate-api.md 3: files are kept within limits of number, size and age."""

import hashlib
from collections.abc import Collection
from dataclasses import replace
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


def keep(files: KeptFiles, content: bytes = b"abc", output_of: str | None = None) -> KeptFile:
    writer = files.new_writer()
    writer.write(content)
    return files.add(writer, writer.close(), Description("a.txt", "text/plain", {"n": 1}), output_of)


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


class Predictions:
    """Those that run, and those of which there is a record."""

    def __init__(self, running: set[str], recorded: set[str]) -> None:
        self.running = running
        self.recorded = recorded

    async def expire(self, files: KeptFiles) -> None:
        await files.expire_used(lambda each: each in self.running, self._recorded)

    async def _recorded(self, ids: Collection[str]) -> Collection[str]:
        return self.recorded.intersection(ids)


async def test_an_input_is_kept_until_its_prediction_has_ended(files: KeptFiles, clock: Clock) -> None:
    kept, predictions = keep(files), Predictions({"p", "q"}, set())
    assert files.hold(kept.id, "p") is kept
    assert files.hold(kept.id, "q") is kept
    clock.now_s += 60
    await predictions.expire(files)
    assert files.get(kept.id) is kept
    predictions.running = {"q"}
    await predictions.expire(files)
    assert files.get(kept.id) is kept
    predictions.running = set()
    await predictions.expire(files)
    assert (files.get(kept.id), files.hold(kept.id, "p")) == (None, None)


async def test_an_output_is_kept_as_long_as_the_record(files: KeptFiles, clock: Clock) -> None:
    kept, predictions = keep(files, output_of="p"), Predictions(set(), {"p"})
    clock.now_s += 60
    await predictions.expire(files)
    assert files.get(kept.id) is kept
    predictions.recorded = set()
    await predictions.expire(files)
    assert files.get(kept.id) is None


async def test_an_output_without_a_record_is_kept_for_the_time_of_all(files: KeptFiles, clock: Clock) -> None:
    kept = keep(files, output_of="p")
    clock.now_s += 59
    await Predictions(set(), set()).expire(files)
    assert files.get(kept.id) is kept


def durable(folder: Path, clock: Clock, max_bytes: int = 10) -> KeptFiles:
    limits = FileLimits(max_files=3, max_bytes=max_bytes, ttl_s=60.0)
    return KeptFiles(folder, limits, is_durable=True, clock=clock)


def test_the_next_server_has_the_files(tmp_path: Path, clock: Clock) -> None:
    before = durable(tmp_path / "files", clock)
    kept = [keep(before), keep(before, b"x", output_of="p")]
    before.delete(keep(before).id)
    (tmp_path / "files").rename(tmp_path / "moved")
    after = durable(tmp_path / "moved", clock)
    moved = [replace(each, path=tmp_path / "moved" / each.id) for each in kept]
    assert {each.id: each for each in after.list()} == {each.id: each for each in moved}
    assert [each.path.read_bytes() for each in moved] == [b"abc", b"x"]
    with pytest.raises(NoRoom):
        after.check_room(7)
    clock.now_s += 60
    assert [each.output_of for each in after.list()] == ["p"]


def test_what_a_killed_server_has_not_written_to_the_end_is_removed(tmp_path: Path, clock: Clock) -> None:
    before = durable(tmp_path / "files", clock)
    kept, cut_off = keep(before), keep(before)
    cut_off.path.write_bytes(b"a")
    before.new_writer().close()
    for name in ("a.json", f"{kept.id}.new", "b.json"):
        (tmp_path / "files" / name).write_text("{" if name == "b.json" else "{}")
    assert [each.id for each in durable(tmp_path / "files", clock).list()] == [kept.id]
    assert {each.name for each in (tmp_path / "files").iterdir()} == {kept.id, f"{kept.id}.json"}


def test_a_file_that_cannot_be_added_to_the_index_is_not_kept(tmp_path: Path, clock: Clock) -> None:
    files = durable(tmp_path / "files", clock)
    writer = files.new_writer()
    writer.path.with_suffix(".new").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.add(writer, writer.close(), Description("a", "b/c", {}))
    assert (files.list(), writer.path.exists()) == ([], False)
