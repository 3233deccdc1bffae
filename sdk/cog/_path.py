"""`Path` and `URLPath`: input and output files of a model."""

from __future__ import annotations

import os
import pathlib
import sys

from cog._file import ChunkReader, URLFile
from cog._url import decode_data_url, get_filename, scheme_of, shorten_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    from typing import Any, Final, TypeAlias

    ByteStream: TypeAlias = io.RawIOBase | io.BufferedIOBase

_COPY_BYTES: Final = 1024 * 1024


class Path(pathlib.PosixPath):
    """A file: as an input, a URL that was downloaded before `run`; as an output, a file the client gets."""

    @classmethod
    def validate(cls, value: object) -> pathlib.Path:
        """Convert a `data:`, `http:` or `https:` URL to a `URLPath`, other text to a `Path`; keep paths.

        Raises ValueError for a value of another type.
        """
        if isinstance(value, pathlib.Path):
            return value
        if not isinstance(value, str):
            raise ValueError(f"a path must be a string or a pathlib.Path, not {type(value).__name__}")
        scheme = scheme_of(value)
        if scheme == "data":
            content: ByteStream = ChunkReader(decode_data_url(value))
        elif scheme in ("http", "https"):
            content = URLFile(value)
        else:
            return cls(value)
        return URLPath(source=value, filename=get_filename(value), fileobj=content)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: Any) -> Any:
        """Make pydantic 2 treat it as `pathlib.Path`, as pydantic 1 does by itself."""
        return handler.generate_schema(pathlib.Path)


class URLPath(pathlib.PosixPath):
    """A file that is still remote. `convert` downloads it, `unlink` removes the downloaded file."""

    def __new__(cls, *, source: str, filename: str, fileobj: ByteStream) -> URLPath:
        return super().__new__(cls, shorten_name(filename))

    def __init__(self, *, source: str, filename: str, fileobj: ByteStream) -> None:
        if sys.version_info >= (3, 12):
            super().__init__(shorten_name(filename))
        self.source = source
        self.filename = shorten_name(filename)
        self.fileobj = fileobj
        self._converted: Path | None = None
        self._unlinked = False

    def convert(self) -> Path:
        """Copy the content to a temporary file whose name ends in `filename`; later calls return that file.

        A partial file is removed, whatever ended the copy. Raises DownloadError if the download fails, and
        InterruptedError if `unlink` was called meanwhile.
        """
        if self._converted is None:
            self._converted = Path(self._copy())
            if self._unlinked:  # meanwhile by another thread, when there was no file yet
                self._converted.unlink(missing_ok=True)
        return self._converted

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the temporary file. A `convert` running in another thread stops and removes its file."""
        self._unlinked = True
        if self._converted is not None:
            self._converted.unlink(missing_ok=missing_ok)

    def _copy(self) -> str:
        import tempfile

        descriptor, name = tempfile.mkstemp(suffix=self.filename)
        try:
            with open(descriptor, "wb") as target, self.fileobj as source:
                # read1 returns what has arrived, so that a slow download soon notices `unlink`.
                read = getattr(source, "read1", source.read)
                while chunk := read(_COPY_BYTES):
                    if self._unlinked:
                        raise InterruptedError(f"download of {self} is no longer wanted")
                    target.write(chunk)
        except BaseException:  # a cancel, too
            os.unlink(name)
            raise
        return name

    def __str__(self) -> str:
        return self.source

    def __fspath__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"URLPath({self.source!r})"

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle 'URLPath': its content is still remote; call convert() first")
