"""Spill files: written whole or not at all, read once."""

import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coglet_protocol.errors import SpillError
from coglet_protocol.spill import read_spill, write_spill


@given(payload=st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_payload_comes_back_and_its_file_is_deleted(tmp_path: Path, payload: bytes) -> None:
    path = write_spill(tmp_path, payload)
    assert path.parent == tmp_path
    assert read_spill(path) == payload
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_when_needed_and_private(tmp_path: Path) -> None:
    path = write_spill(tmp_path / "predictions" / "1", b"{}")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    foreign, planted = tmp_path / "foreign", tmp_path / "planted"
    foreign.mkdir()
    planted.symlink_to(foreign)
    with pytest.raises(NotADirectoryError):
        write_spill(planted, b"{}")
    assert list(foreign.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        write_spill(tmp_path, b"{}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "plant", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo], ids=["link", "FIFO"]
)
def test_what_was_planted_in_the_place_of_a_file_is_not_read(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    path = tmp_path / "spill_1.json"
    plant(path)
    with pytest.raises(SpillError, match=r"cannot read spill file spill_1\.json"):
        read_spill(path)
    assert not os.path.lexists(path)


def test_two_payloads_never_share_a_file(tmp_path: Path) -> None:
    paths = [write_spill(tmp_path, payload) for payload in (b"1", b"2")]
    assert [read_spill(path) for path in paths] == [b"1", b"2"]


def test_a_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SpillError) as caught:
        read_spill(tmp_path / "spill_1.json")
    assert str(caught.value) == "cannot read spill file spill_1.json: No such file or directory"


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match=f"cannot read spill file {tmp_path.name}: Is a directory"):
        read_spill(tmp_path)


def test_a_file_that_cannot_be_read_is_deleted_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "loop.json"
    path.symlink_to(path)
    with pytest.raises(SpillError, match=r"cannot read spill file loop\.json"):
        read_spill(path)
    assert not os.path.lexists(path)


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """Stands for a full disk: a write beyond these bytes fails, after part of it was written."""
    limit = 64 * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, file_size_limit: int) -> None:
    with pytest.raises(OSError, match="File too large"):
        write_spill(tmp_path, bytes(2 * file_size_limit))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        write_spill(tmp_path / "file", b"{}")
