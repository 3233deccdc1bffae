"""COG_CA_CERT: certificates that an image shall trust, for networks that inspect TLS."""

import base64
import binascii
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError

VARIABLE: Final = "COG_CA_CERT"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def read_certificate(value: str | None) -> bytes | None:
    """Return the PEM text for the value of COG_CA_CERT, None if it is empty.

    The value is PEM text, its base64 form, or the path of a file or folder. Raises UserError otherwise.
    """
    if not value:
        return None
    if _BEGIN in value:
        return _checked(value)
    if _is_path(value):
        path = Path(value).expanduser()
        return _read_folder(path) if path.is_dir() else _checked(path.read_text("utf-8", "replace"))
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if _BEGIN in text:
        return _checked(text)
    raise UserError(
        f"{VARIABLE}: invalid value - must be a file path, directory, PEM certificate, or base64-encoded PEM"
    )


def _is_path(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except OSError:  # too long to be a path
        return False


def _read_folder(folder: Path) -> bytes:
    files = sorted(file for file in folder.iterdir() if file.suffix in (".crt", ".pem") and file.is_file())
    if not files:
        raise UserError(f"{VARIABLE}: no .crt or .pem files found in directory {folder}")
    return b"".join(_checked(file.read_text("utf-8", "replace")) for file in files)


def _checked(text: str) -> bytes:
    # Bundles can have comments before their certificates.
    start = text.find(_BEGIN)
    if start < 0:
        raise UserError(f"{VARIABLE}: invalid PEM: must start with '{_BEGIN}'")
    if _END not in text[start:]:
        raise UserError(f"{VARIABLE}: invalid PEM: must contain '{_END}'")
    return text[start:].rstrip().encode() + b"\n"
