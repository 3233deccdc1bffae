"""Schema files: the one that a build writes, and the one that replaces generation."""

import os
import secrets
from pathlib import Path
from typing import Final

from coglet_schema.errors import ErrorKind, SchemaError

SCHEMA_PATH: Final = Path(".cog") / "openapi_schema.json"


def load_schema(path: Path | str) -> bytes:
    """Return the bytes of the file that `COG_OPENAPI_SCHEMA` names. Raises SchemaError if that fails."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"COG_OPENAPI_SCHEMA: failed to read {path}: {error.strerror or error}"
        raise SchemaError(ErrorKind.OTHER, message) from None


def write_schema(project_dir: Path | str, data: bytes) -> Path:
    """Write `.cog/openapi_schema.json` atomically, so that no reader sees a partial file. Return its path.

    Raises OSError if it cannot be written.
    """
    target = Path(project_dir) / SCHEMA_PATH
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data, mode=0o666)
    return target


def write_atomically(target: Path, data: bytes, mode: int) -> None:
    """Replace `target` atomically by a file with content `data`; `mode` is subject to the umask.

    Raises OSError if it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as stream:
            stream.write(data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
