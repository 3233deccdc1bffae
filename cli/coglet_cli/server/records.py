"""The calls about predictions that a server keeps: their states, their events and their cancelation."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from coglet_cli.errors import UserError
from coglet_cli.server.client import (
    CANCEL_TIMEOUT_S,
    EVENT_STREAM,
    ConnectionLost,
    ModelClient,
    Reply,
    events,
)
from coglet_cli.server.events import ServerEvent

# A state may be large.
_ANSWER_TIMEOUT_S: Final = 30.0
# The server sends a comment every 15 s when there are no events.
_EVENT_TIMEOUT_S: Final = 60.0


class NotKept(UserError):
    """The server has no such prediction, or not any more."""

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(
            f"{detail}, according to the model server at {url}",
            hint=f"`cog predictions --url {url}` lists those that it keeps",
        )


class NoRecords(UserError):
    """The server keeps no predictions: it does not have the routes to ask for them."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__(
            f"the model server at {url} cannot be asked for predictions: GET {path} returned status 405",
            hint="servers of Cog return a prediction to the client that creates it, and keep none; "
            "`cog serve` starts a server that does",
        )


class RecordClient(ModelClient):
    """A client of a server that keeps predictions. Use it in an `async with` block.

    All calls raise ConnectionLost, and UserError for unexpected responses.
    """

    async def record(self, prediction_id: str, wait_s: int = 0, *, fields: str | None = None) -> Reply:
        """Return the state of a prediction, after its end or after `wait_s` seconds.

        `fields` is the part of `input,logs,output` to return; None is all. Raises NotKept and NoRecords.
        """
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return await self._get(
            _path(prediction_id),
            params={} if fields is None else {"fields": fields},
            headers=headers,
            timeout=_ANSWER_TIMEOUT_S + wait_s,
        )

    async def records(self, status: str | None, limit: int) -> list[Reply]:
        """Return the latest predictions, newest first, without inputs, outputs and logs. Raises NoRecords."""
        parameters = {"limit": str(limit), **({"status": status} if status else {})}
        page = await self._get("/predictions", params=parameters, timeout=_ANSWER_TIMEOUT_S)
        results = page.get("results")
        if not isinstance(results, list):
            raise UserError(f"GET /predictions at {self.url} returned no list of predictions")
        return results

    async def follow(self, prediction_id: str, on_event: Callable[[ServerEvent], None]) -> Reply | None:
        """Pass each event of a prediction to `on_event`, from the first one on, and return its final state.

        Returns None if its events cannot be read, or not to the end.
        """
        timeout = httpx.Timeout(_ANSWER_TIMEOUT_S, read=_EVENT_TIMEOUT_S)
        headers = {"Accept": EVENT_STREAM}
        try:
            async with self._http.stream(
                "GET", _path(prediction_id), headers=headers, timeout=timeout
            ) as response:
                if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                    return None
                async for event in events(response):
                    if event.name == "completed":
                        return dict(event.data)
                    on_event(event)
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        return None

    async def cancel_record(self, prediction_id: str) -> None:
        """Cancel a prediction; does nothing if it has ended. Raises NotKept if it is not known."""
        path = f"{_path(prediction_id)}/cancel"
        try:
            response = await self._http.post(path, timeout=CANCEL_TIMEOUT_S)
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise NotKept(self.url, f"prediction {prediction_id!r} is not known")
        if not response.is_success:
            raise UserError(f"POST {path} at {self.url} returned status {response.status_code}")

    async def _get(self, path: str, **options: Any) -> Mapping[str, Any]:
        try:
            response = await self._http.get(path, **options)
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            raise NoRecords(self.url, path)
        try:
            body = response.json()
        except ValueError:
            body = None
        detail = body.get("detail") if isinstance(body, dict) else None
        if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) and isinstance(detail, str):
            raise NotKept(self.url, detail)
        if not (response.is_success and isinstance(body, dict)):
            text = f": {response.text[:500]}" if response.text else ""
            raise UserError(f"GET {path} at {self.url} returned status {response.status_code}{text}")
        return body


def _path(prediction_id: str) -> str:
    return f"/predictions/{quote(prediction_id, safe='')}"
