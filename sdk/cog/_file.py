"""`File` and `URLFile`: inputs that are read like files, downloaded when first read."""

from __future__ import annotations

import io

from cog._url import decode_data_url, get_filename, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 64 * 1024


class File(io.BufferedIOBase):
    """Annotation of an input that the model reads like a binary file. `Path` is the better choice."""

    @classmethod
    def validate(cls, value: object) -> io.IOBase:
        """Convert a `data:`, `http:` or `https:` URL to a file object; file objects are returned unchanged.

        Raises ValueError for anything else.
        """
        if isinstance(value, io.IOBase):
            return value
        if not isinstance(value, str):
            raise ValueError(f"a file must be a URL or a file object, not {type(value).__name__}")
        scheme = scheme_of(value)
        if scheme == "data":
            return io.BytesIO(b"".join(decode_data_url(value)))
        if scheme in ("http", "https"):
            return URLFile(value)
        raise ValueError(f"'{scheme}' is not a valid URL scheme. 'data', 'http', or 'https' is supported.")


class ChunkReader(io.RawIOBase):
    """A raw stream over an iterator of byte strings, which is advanced only when something is read."""

    def __init__(self, chunks: Iterator[bytes], name: str = "") -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._error: OSError | None = None
        self.name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = memoryview(self._next_chunk())
        length = min(len(target), len(self._rest))
        target[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length

    def readall(self) -> bytes:
        return b"".join([self._rest, *iter(self._next_chunk, b"")])

    def close(self) -> None:
        if not self.closed:
            self._rest = memoryview(b"")
            close_chunks = getattr(self._chunks, "close", None)
            if close_chunks is not None:
                close_chunks()
        super().close()

    def _next_chunk(self) -> bytes:
        """Return the next piece that is not empty; empty at the end. Raises an earlier error again.

        A generator that has failed only reports its end, and a partial file would look complete.
        """
        if self._error is not None:
            raise self._error
        try:
            return next((chunk for chunk in self._chunks if chunk), b"")
        except OSError as error:
            self._error = error
            raise


class URLFile(io.BufferedReader):
    """The content of an HTTP(S) URL; the request is made at the first read.

    Not seekable. Pickled as URL and name, and downloaded again by the unpickled copy. Raises ValueError for
    another scheme.
    """

    def __init__(self, url: str, filename: str | None = None) -> None:
        if scheme_of(url) not in ("http", "https"):
            raise ValueError("URLFile requires URL to conform to HTTP or HTTPS protocol")
        name = get_filename(url) if filename is None else filename
        super().__init__(ChunkReader(_fetch(url), name), _BUFFER_BYTES)
        self._url = url

    def __reduce__(self) -> tuple[type[URLFile], tuple[str, str]]:
        return type(self), (self._url, self.name)

    def __reduce_ex__(self, _protocol: object) -> tuple[type[URLFile], tuple[str, str]]:
        return self.__reduce__()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} for {self._url!r}>"


def _fetch(url: str) -> Iterator[bytes]:
    from cog._download import download

    yield from download(url)
