"""Files in an output: decodes or downloads them, writes them, and replaces them by their paths."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from coglet_cli.formats.data_url import decode_data_url
from coglet_cli.formats.model_schema import is_file
from coglet_cli.outputs.target import has_extension
from coglet_schema.media_types import extension_of

KeyPath = tuple[str | int, ...]

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def write_files(
    output: Any,
    schema: Mapping[str, Any],
    base: Path,
    on_written: Callable[[Path], None],
    *,
    fetches: bool = False,
) -> Any:
    """Write every data URL that `schema` declares as a file; return `output` with paths in their places.

    A single file is `base` with an extension; in a list or an object its index or key comes before the
    extension, as in `output.0.png`. Other URLs are unchanged, or with `fetches` downloaded to files.
    Raises OSError if a file cannot be written, ValueError for an invalid data URL, UserError if a download
    fails.
    """

    def replace(value: Any, schema: Any, path: KeyPath) -> Any:
        if not isinstance(schema, Mapping):
            return value
        if is_file(schema) and isinstance(value, str):
            if value.lower().startswith("data:"):
                return _write(value, base, path, on_written)
            # Text that the model returned instead of a file is unchanged.
            return _fetch(value, base, path, on_written) if fetches and _URL.match(value) else value
        for option in schema.get("anyOf", ()):
            value = replace(value, option, path)
        if isinstance(value, list):
            items = schema.get("items")
            return [replace(item, items, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            fields = schema.get("properties", {})
            other = schema.get("additionalProperties")
            return {key: replace(item, fields.get(key, other), (*path, key)) for key, item in value.items()}
        return value

    return replace(output, schema, ())


def _write(url: str, base: Path, path: KeyPath, on_written: Callable[[Path], None]) -> str:
    file = decode_data_url(url)
    target = file_name(base, path, extension_of(file.media_type))
    target.write_bytes(file.content)
    on_written(target)
    return str(target)


def _fetch(url: str, base: Path, path: KeyPath, on_written: Callable[[Path], None]) -> str:
    # Imported here: httpx takes 0.2 s to import.
    from coglet_cli.outputs.fetching import fetched

    with fetched(url) as file:
        target = file_name(base, path, file.extension)
        try:
            with target.open("wb") as out:
                out.writelines(file.chunks)
        except BaseException:  # an interrupt, too; it is raised again
            if target.is_file():  # not a device such as /dev/null
                target.unlink()  # a partial file could be mistaken for a complete one
            raise
    on_written(target)
    return str(target)


def file_name(base: Path, path: KeyPath, extension: str) -> Path:
    """Return where to write the file at `path` of an output; the user's extension takes precedence."""
    stem, suffix = (base.stem, base.suffix) if has_extension(base) else (base.name, extension)
    # A key of the output must not lead outside the folder.
    place = "".join(f".{str(part).replace('/', '_')}" for part in path)
    return base.with_name(f"{stem}{place}{suffix}")
