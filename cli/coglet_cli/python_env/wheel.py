"""Wheels of the running pycoglet, made from its installed files: the versions match without a package index.

The same files always yield the same bytes, so that Docker can reuse the layer that it built from them.
"""

import base64
import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError
from coglet_cli.version import DISTRIBUTION

MODEL_PACKAGES: Final = ("cog", "coglet", "coglet_protocol", "coglet_worker")
SERVER_PACKAGES: Final = ("coglet_protocol", "coglet_schema", "coglet_supervisor")
# The earliest time that a zip archive can represent.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: pycoglet\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_name() -> str:
    """Return the file name of the wheels made here."""
    return f"{DISTRIBUTION}-{metadata.version(DISTRIBUTION)}-py3-none-any.whl"


def model_wheel() -> bytes:
    """Return the wheel for the model's environment: SDK, protocol and worker.

    Raises UserError if this installation is incomplete.
    """
    return _wheel(MODEL_PACKAGES, _metadata(with_extras=False))


def server_wheel() -> bytes:
    """Return the wheel for the supervisor's environment. Raises UserError as `model_wheel` does."""
    return _wheel(SERVER_PACKAGES, _metadata(with_extras=True))


def _metadata(*, with_extras: bool) -> str:
    distribution = metadata.distribution(DISTRIBUTION)
    fields = distribution.metadata
    requirements = [
        line for line in fields.get_all("Requires-Dist") or () if with_extras or "extra ==" not in line
    ]
    extras = (fields.get_all("Provides-Extra") or []) if with_extras else []
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {DISTRIBUTION}",
        f"Version: {distribution.version}",
        f"Requires-Python: {fields['Requires-Python']}",
        *(f"Provides-Extra: {extra}" for extra in extras),
        *(f"Requires-Dist: {requirement}" for requirement in requirements),
    ]
    return "\n".join(lines) + "\n"


def _wheel(packages: Iterable[str], description: str) -> bytes:
    info = f"{DISTRIBUTION}-{metadata.version(DISTRIBUTION)}.dist-info"
    contents: dict[str, bytes] = {}
    for package in packages:
        contents.update(_package_files(package))
    contents[f"{info}/METADATA"] = description.encode()
    contents[f"{info}/WHEEL"] = _WHEEL.encode()
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in contents:
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _package_files(package: str) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the package {package} is missing from this installation of {DISTRIBUTION}")
    folder = Path(spec.submodule_search_locations[0])
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield f"{package}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _record(contents: Mapping[str, bytes], own_name: str) -> bytes:
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in contents.items()]
    return "\n".join([*lines, f"{own_name},,", ""]).encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
