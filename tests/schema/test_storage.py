"""Schema files on disk."""

import os
from pathlib import Path

import pytest

from coglet_schema import SCHEMA_PATH, SchemaError, load_schema, write_schema


def test_a_schema_is_written_where_servers_look_for_it(tmp_path: Path) -> None:
    path = write_schema(tmp_path, b"{}")
    assert path == tmp_path / ".cog" / "openapi_schema.json" == tmp_path / SCHEMA_PATH
    assert path.read_bytes() == b"{}"


def test_readers_of_the_old_file_keep_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = write_schema(tmp_path, b"old")
    with path.open("rb") as reader:
        write_schema(tmp_path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / SCHEMA_PATH).mkdir(parents=True)
    with pytest.raises(OSError, match="openapi_schema"):
        write_schema(tmp_path, b"{}")
    assert os.listdir(tmp_path / ".cog") == ["openapi_schema.json"]


def test_others_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert write_schema(tmp_path, b"{}").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_the_override_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(b" no json at all\n")
    assert load_schema(tmp_path / "s.json") == b" no json at all\n"


def test_an_override_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    assert str(caught.value) == f"COG_OPENAPI_SCHEMA: failed to read {path}: No such file or directory"
