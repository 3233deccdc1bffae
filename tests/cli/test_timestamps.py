"""Reproducible images: which times in an image's archive are changed, and which are not."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from coglet_cli.engine.timestamps import Dating, redate

EPOCH_S = 1_000_000_000
LATEST = "2001-09-09T01:46:40Z"


def archive(files: dict[str, bytes], mtime: float = 0) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.pax_headers = len(data), mtime, {"SCHILY.xattr.user.a": "b"}
            out.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def saved_image(layers: list[bytes]) -> bytes:
    config = {
        "architecture": "amd64",
        "created": "2026-01-02T03:04:05.678Z",
        "container": "abc",
        "container_config": {"Hostname": "abc"},
        "history": [
            {"created": "1999-01-01T00:00:00Z"},
            {"created": "2026-01-02T03:04:05Z"},
            {"created_by": "x"},
        ],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(x).hexdigest()}" for x in layers]},
    }
    manifest = {"Config": "c.json", "RepoTags": ["m:latest"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    return archive(
        {
            "manifest.json": json.dumps([manifest]).encode(),
            "c.json": json.dumps(config).encode(),
            **{f"{index}/layer.tar": layer for index, layer in enumerate(layers)},
        }
    )


def redated(tmp_path: Path, image: bytes, dating: Dating) -> tuple[dict[str, Any], list[bytes]]:
    """Return the configuration and the layers of the new archive; check its names and digests."""
    (tmp_path / "saved.tar").write_bytes(image)
    target = io.BytesIO()
    redate(tmp_path / "saved.tar", target, dating, tmp_path)
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as new:
        contents = {entry.name: new.extractfile(entry).read() for entry in new}  # type: ignore[union-attr]
    [manifest] = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["m:latest"]
    text = contents[manifest["Config"]]
    assert manifest["Config"] == f"{hashlib.sha256(text).hexdigest()}.json"
    config, layers = json.loads(text), [contents[name] for name in manifest["Layers"]]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert config["rootfs"]["diff_ids"] == digests
    return config, layers


def test_no_time_is_later(tmp_path: Path) -> None:
    base = archive({"base": b"1"}, 2e9)
    image = saved_image([base, archive({"new": b"33"}, 2e9 + 0.25)])
    config, found = redated(tmp_path, image, Dating(EPOCH_S, 1))
    assert found[0] == base
    with tarfile.open(fileobj=io.BytesIO(found[1])) as layer:
        [entry] = layer
        assert (entry.name, entry.mtime, entry.pax_headers) == ("new", EPOCH_S, {"SCHILY.xattr.user.a": "b"})
        content = layer.extractfile(entry)
        assert content is not None
        assert content.read() == b"33"
    assert config["created"] == LATEST
    assert [step.get("created") for step in config["history"]] == ["1999-01-01T00:00:00Z", LATEST, None]


def test_builds_on_two_days_yield_the_same_image(tmp_path: Path) -> None:
    first, second = (
        redated(
            tmp_path,
            saved_image([archive({"a": b""}, when), archive({"b": b""}, when + 1)]),
            Dating(EPOCH_S, 0),
        )
        for when in (1.7e9, 1.8e9 + 0.5)
    )
    assert first == second
    assert not {"container", "container_config"} & first[0].keys()


def test_older_times_are_kept(tmp_path: Path) -> None:
    image = saved_image([archive({"a": b""}, 5.5), archive({"b": b""}, 7)])
    _, layers = redated(tmp_path, image, Dating(EPOCH_S, 0))
    times = [entry.mtime for data in layers for entry in tarfile.open(fileobj=io.BytesIO(data))]
    assert times == [5, 7]
