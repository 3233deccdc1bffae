"""Text files written by users, in the encodings that editors and shells produce."""

import codecs
import re
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_CODING: Final = re.compile(rb"#.*?coding[:=]\s*([-\w.]+)")


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark; CRLF becomes LF.

    Raises OSError if it cannot be read, UserError if it is not UTF-8.
    """
    text = _decode(file, file.read_bytes().removeprefix(codecs.BOM_UTF8), "utf-8")
    return text.replace("\r\n", "\n")


def read_requirements_text(file: Path) -> str:
    """Return the text of a requirements file, decoded as pip does: byte order mark, coding line, else UTF-8.

    Raises UserError if the file cannot be read or decoded.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"failed to read {file}: {error.strerror}") from None
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(file, data.removeprefix(mark), encoding)
    for line in data.split(b"\n")[:2]:
        if coding := _CODING.match(line):
            return _decode(file, data, coding[1].decode())
    return _decode(file, data, "utf-8")


def _decode(file: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "replace").count("\n") + 1
        raise UserError(
            f"failed to read {file}: line {line}: byte 0x{data[error.start]:02x} is not {encoding} text",
            hint="save the file as UTF-8",
        ) from None
    except (LookupError, UnicodeError):
        raise UserError(
            f"failed to read {file}: its coding line names {encoding!r}, which is not a text encoding",
            hint="save the file as UTF-8 and remove that line",
        ) from None
