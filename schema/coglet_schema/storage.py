"""Schema files: the one a build writes, and the one that replaces generation."""

import os
import secrets
from pathlib import Path
from typing import Final

from coglet_schema.errors import ErrorKind, SchemaError

SCHEMA_PATH: Final = Path(".cog") / "openapi_schema.json"


def load_schema(path: Path | str) -> bytes:
    """The bytes of the file that `COG_OPENAPI_SCHEMA` names, as they are. Raises SchemaError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"COG_OPENAPI_SCHEMA: failed to read {path}: {error.strerror or error}"
        raise SchemaError(ErrorKind.OTHER, message) from None


def write_schema(project_dir: Path | str, data: bytes) -> Path:
    """Writes `.cog/openapi_schema.json` in one step: no reader ever sees half of it. Raises OSError."""
    target = Path(project_dir) / SCHEMA_PATH
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data, mode=0o666)
    return target


def write_atomically(target: Path, data: bytes, mode: int) -> None:
    """Replaces `target` by a file with these contents; `mode` is subject to the umask."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as stream:
            stream.write(data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
