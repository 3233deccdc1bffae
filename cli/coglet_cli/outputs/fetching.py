"""Downloading of output files that the server returned as URLs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import httpx

from coglet_cli.errors import UserError
from coglet_schema.media_types import UNKNOWN_TYPE, extension_of

# For each read, not for the whole file, which may be large.
_TIMEOUT_S: Final = 60.0
_HINT: Final = "omit -o to print the URL instead"


@dataclass(frozen=True)
class RemoteFile:
    """A file that is being downloaded; `extension` includes the dot and is empty if unknown."""

    extension: str
    chunks: Iterator[bytes]


@contextmanager
def fetched(url: str) -> Iterator[RemoteFile]:
    """Yield the file at `url`. Raises UserError, also inside the block, if the download fails."""
    if not url.lower().startswith(("http://", "https://")):
        raise UserError(f"failed to fetch the output from {url}: not an http or https URL", hint=_HINT)
    # As for the model's server: plain HTTP means this machine or one near it, without a proxy.
    is_plain = url.lower().startswith("http:")
    try:
        with httpx.stream(
            "GET", url, follow_redirects=True, timeout=_TIMEOUT_S, trust_env=not is_plain
        ) as response:
            response.raise_for_status()
            yield RemoteFile(_extension(response), response.iter_bytes())
    except httpx.HTTPStatusError as error:
        raise _not_fetched(url, f"status {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _not_fetched(url, str(error) or type(error).__name__) from None


def _extension(response: httpx.Response) -> str:
    media_type = response.headers.get("content-type", "").partition(";")[0]
    known = "" if media_type == UNKNOWN_TYPE else extension_of(media_type)
    return known or PurePosixPath(response.url.path).suffix


def _not_fetched(url: str, reason: str) -> UserError:
    return UserError(f"failed to fetch the output from {url}: {reason}", hint=_HINT)
