"""Media types of files by their extension, and back. The system's table, which varies, comes second."""

import json
import mimetypes
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Final

UNKNOWN_TYPE: Final = "application/octet-stream"


@cache
def _table() -> list[tuple[str, str]]:
    text = resources.files("coglet_cli").joinpath("mime_types.json").read_text("utf-8")
    return [(media_type, extension) for media_type, extension in json.loads(text)]


def type_of(file_name: str | PurePath) -> str:
    """The media type of a file; `application/octet-stream` when its extension says nothing."""
    extension = PurePath(file_name).suffix.lower()
    for media_type, known in _table():
        if known == extension:
            return media_type
    return mimetypes.guess_type(f"file{extension}")[0] or UNKNOWN_TYPE


def extension_of(media_type: str) -> str:
    """The extension for a media type, with its dot; empty when nobody knows one."""
    bare = media_type.partition(";")[0].strip().lower()
    for known, extension in _table():
        if known == bare:
            return extension
    return mimetypes.guess_extension(bare) or ""
