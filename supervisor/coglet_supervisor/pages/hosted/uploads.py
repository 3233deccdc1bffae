"""POST /v1/files: a file goes from the connection to disk in pieces.

It is served beside Quart, which would read the whole body into memory as fast as the client sends it.
"""

import asyncio
import re
from typing import Any, Final

import msgspec
from werkzeug.http import parse_options_header

from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.request import (
    JSON,
    Application,
    Receive,
    Request,
    Scope,
    Send,
    encode_json,
    respond,
)
from coglet_supervisor.kept_files import Description, FileWriter, KeptFile, KeptFiles, NoRoom
from coglet_supervisor.pages.hosted.files import file_body
from coglet_supervisor.pages.hosted.multipart import MultipartDecoder, NotMultipart, Part
from coglet_supervisor.pages.hosted.problems import invalid_request, problem
from coglet_supervisor.predictions.problems import cut

PATH: Final = b"/v1/files"
# It becomes a header when the file is downloaded.
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,255}")
_DEFAULT_TYPE: Final = "application/octet-stream"
# What is written at once.
_PIECE_BYTES: Final = 1024 * 1024
# RFC 2046, 5.1.1
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# Of `metadata`, and of the other texts.
_MAX_TEXT_BYTES: Final = 64 * 1024
# Of everything but the content of the file.
_MAX_OTHER_BYTES: Final = 256 * 1024
_MAX_PARTS: Final = 20
_MAX_NAME_CHARS: Final = 255


class Uploads:
    """Serves uploads, and passes all other requests to `others`."""

    def __init__(self, others: Application, files: KeptFiles, public_url: PublicUrl) -> None:
        self._others = others
        self._files = files
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["raw_path"] != PATH:
            await self._others(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            kept = await self._receive(request)
        except NoRoom as error:
            refusal = problem(507, "Insufficient storage", f"The file was not kept: {error}.")
            await respond(send, refusal.status, refusal.body, *refusal.headers)
        except OSError as error:
            refusal = problem(507, "Insufficient storage", f"The file was not kept: {error.strerror}.")
            await respond(send, refusal.status, refusal.body, *refusal.headers)
        else:
            body = file_body(kept, self._public_url.base_of(request))
            await respond(send, 201, encode_json(body), JSON)

    async def _receive(self, request: Request) -> KeptFile:
        media_type, options = parse_options_header(request.header(b"content-type"))
        boundary = options.get("boundary")
        if media_type != "multipart/form-data" or not boundary:
            raise problem(415, "Unsupported Media Type", "A file is sent as multipart/form-data.")
        if not _BOUNDARY.fullmatch(boundary):
            raise invalid_request(f"The form cannot be read: its boundary {cut(boundary)!r} is not valid")
        announced = request.header(b"content-length") or ""
        self._files.check_room(int(announced) if announced.isdecimal() and len(announced) < 19 else 0)
        form = _Form(self._files)
        size_bytes = 0
        try:
            decoder = MultipartDecoder(boundary.encode("ascii"))
            async for piece in request.pieces():
                size_bytes += len(piece)
                for event in decoder.feed(piece):
                    await form.take(event)
                if size_bytes - form.content_bytes > _MAX_OTHER_BYTES:
                    raise NotMultipart(f"it has more than {_MAX_OTHER_BYTES} bytes beside the file")
            if not decoder.is_complete:
                raise NotMultipart("it has no end")
            return await form.end()
        except NotMultipart as error:
            raise invalid_request(f"The form cannot be read: {error}") from None
        finally:
            form.close()


class _Form:
    """The parts of one upload: the content goes into a file, the others are short texts."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files
        self._writer: FileWriter | None = None
        self.content_bytes = 0
        self._count = 0
        self._texts: dict[str, bytearray] = {}
        self._name = ""
        self._type = _DEFAULT_TYPE
        self._part = ""
        self._unwritten = bytearray()

    async def take(self, event: Part | bytes) -> None:
        """Handle one event of the decoder. Raises HttpError, NoRoom and OSError."""
        if isinstance(event, Part):
            self._begin(event)
        else:
            await self._add(event)

    def _begin(self, part: Part) -> None:
        self._count += 1
        if self._count > _MAX_PARTS:
            raise invalid_request(f"The form has more than {_MAX_PARTS} parts.")
        self._part = part.name
        if part.name != "content":
            self._texts[part.name] = bytearray()
            return
        if self._writer is not None:
            raise invalid_request("content: is there twice")
        self._writer = self._files.new_writer()
        self._name = part.filename or ""
        self._type = part.content_type or _DEFAULT_TYPE

    async def _add(self, data: bytes) -> None:
        if self._part != "content":
            self._texts[self._part] += data
            if len(self._texts[self._part]) > _MAX_TEXT_BYTES:
                raise invalid_request(f"{self._part[:100]}: is larger than {_MAX_TEXT_BYTES} bytes")
            return
        self.content_bytes += len(data)
        self._unwritten += data
        if len(self._unwritten) >= _PIECE_BYTES:
            await self._write()

    async def _write(self) -> None:
        assert self._writer is not None
        self._files.check_room(len(self._unwritten))
        unwritten, self._unwritten = self._unwritten, bytearray()
        await asyncio.to_thread(self._writer.write, unwritten)

    async def end(self) -> KeptFile:
        """Keep the file. Raises HttpError, NoRoom and OSError."""
        if self._writer is None:
            raise invalid_request("content: is required; it is the file")
        description = Description(
            name=_file_name(self._text("filename") or self._name),
            content_type=self._content_type(),
            metadata=self._metadata(),
        )
        await self._write()
        checksums = self._writer.close()
        writer, self._writer = self._writer, None
        return self._files.add(writer, checksums, description)

    def close(self) -> None:
        """Remove the file if it is not kept."""
        if self._writer is not None:
            self._files.discard(self._writer)

    def _text(self, part: str) -> str:
        return self._texts.get(part, b"").decode("utf-8", "replace").strip()

    def _content_type(self) -> str:
        text = self._text("type") or self._type
        if not _HEADER_VALUE.fullmatch(text):
            raise invalid_request("type: must be a media type")
        return text

    def _metadata(self) -> dict[str, Any]:
        text = self._text("metadata")
        try:
            value = msgspec.json.decode(text) if text else {}
        except (msgspec.DecodeError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise invalid_request("metadata: must be a JSON object")
        return value


def _file_name(text: str) -> str:
    """Return the last part of a path, without characters that a name cannot have."""
    name = text.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in name if char.isprintable())[-_MAX_NAME_CHARS:] or "file"
