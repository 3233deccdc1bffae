"""records.md 4: whose file it is, who may read it, and what a server does that cannot open it."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.supervisor.kept import KeptPrediction
from tests.supervisor.stored import LARGE, LIMITS, finish, opened

from coglet_supervisor.errors import StartupError
from coglet_supervisor.predictions.validation import Validation
from coglet_supervisor.records.sqlite.store import SqliteStore


def refused(path: Path) -> str:
    with pytest.raises(StartupError) as error:
        SqliteStore(path, LIMITS, lambda: Validation(None, ignore_unknown=False))
    return str(error.value)


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


async def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "records.db") as store:
        await finish(store, KeptPrediction(input=LARGE))
        modes = modes_in(tmp_path)
        assert set(modes) == {"records.db", "records.db-wal", "records.db-shm", "records.db.lock", "1.input"}
        assert set(modes.values()) == {0o600}


async def test_a_second_server_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "records.db")
    async with opened(tmp_path / "records.db") as store:
        await finish(store, KeptPrediction(input=LARGE))
        assert f"the records in {link} are in use by another server" in refused(link)
    async with opened(link) as store:
        assert (await store.get("p")) is not None
        assert os.listdir(tmp_path / "records.db.files") == ["1.input"]
    assert not (tmp_path / "link.db.files").exists()


async def test_a_damaged_file_that_is_too_large_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.db"
    async with opened(path) as store:
        for number in range(50):
            await finish(store, KeptPrediction(f"p{number}", number, input=b'"%b"' % (b"x" * 500)))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    monkeypatch.setattr("coglet_supervisor.records.sqlite.database._CHECKED_BYTES", 0)
    assert refused(path).startswith(f"the records in {path} are damaged (")
    path.write_bytes(whole)
    async with opened(path) as store:  # the lock is free again
        assert store.last_sequence == 49


async def test_a_folder_of_large_values_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.db"
    async with opened(path) as store:
        await finish(store, KeptPrediction(input=LARGE))

    def refuse(folder: Path) -> Iterable[os.DirEntry[str]]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("coglet_supervisor.records.sqlite.files.os.scandir", refuse)
    text = refused(path)
    assert text.startswith(f"cannot open the records in {path}: Permission denied: ")
    assert text.endswith("correct COG_RECORDS")
