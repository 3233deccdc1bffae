"""Files as `data:` URLs (RFC 2397), to send them in JSON."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes


@dataclass(frozen=True)
class DataUrl:
    """The content of a file and its media type."""

    media_type: str
    content: bytes


def encode_data_url(content: bytes, media_type: str, name: str = "") -> str:
    """Return `data:{media type};name={name};base64,...`; the model gets a file of that name or extension."""
    parameter = f";name={quote(name, safe='')}" if name else ""
    return f"data:{media_type}{parameter};base64,{base64.b64encode(content).decode('ascii')}"


def decode_data_url(url: str) -> DataUrl:
    """Return the file in a data URL. Raises ValueError if `url` is not a data URL or not valid base64."""
    scheme, _, rest = url.partition(":")
    header, comma, body = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise ValueError("not a data URL")
    media_type, _, parameters = header.partition(";")
    content = unquote_to_bytes(body)
    if parameters.split(";")[-1].strip().lower() == "base64":
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from None
    # The default of RFC 2397.
    return DataUrl(media_type.strip() or "text/plain", content)
