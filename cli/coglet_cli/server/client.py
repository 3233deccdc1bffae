"""HTTP client for one model server. Import it while the server starts: httpx takes 0.2 s to import."""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import httpx

from coglet_cli.errors import UserError
from coglet_cli.server.events import EventParser, ServerEvent

# A server responds immediately, unless the model has its own health check, which may take 10 s.
HEALTH_TIMEOUT_S: Final = 12.0
CANCEL_TIMEOUT_S: Final = 3.0
EVENT_STREAM: Final = "text/event-stream"
TOKEN_VARIABLE: Final = "COG_API_TOKEN"
"""The variable with the token of the server, and of its clients."""

Reply = Mapping[str, Any]


class ConnectionLost(UserError):
    """The server cannot be reached, or closed the connection."""

    def __init__(self, url: str, reason: Exception) -> None:
        super().__init__(
            f"no response from the model server at {url}: {str(reason) or type(reason).__name__}"
        )


class Unauthorized(UserError):
    """The server requires a token that we do not have."""

    def __init__(self, url: str) -> None:
        has_token = bool(os.environ.get(TOKEN_VARIABLE))
        super().__init__(
            f"the model server at {url} "
            + (f"rejected the token in {TOKEN_VARIABLE}" if has_token else "requires a token"),
            hint=f"set {TOKEN_VARIABLE} to the token with which the server was started",
        )


class InputsRefused(UserError):
    """The server rejected inputs that passed our own validation."""

    def __init__(self, detail: list[Mapping[str, Any]]) -> None:
        lines = [f"- {'.'.join(map(str, entry['loc'][2:]))}: {entry['msg']}" for entry in detail]
        super().__init__(
            "\n".join(["The inputs you passed could not be validated:", "", *lines]),
            hint="pass an input with -i, for example: cog predict -i blur=3.5\n"
            "pass a file with an @ before its path, for example: cog predict -i path=@image.jpg",
        )


class UnexpectedStatus(UserError):
    """The server responded with a status that is not the result of a prediction."""

    def __init__(self, response: httpx.Response) -> None:
        status, body = response.status_code, response.text
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            text = f"status {status}, and there was an unexpected message in response: {body}"
        else:
            text = f"status {status}" + (f": {body}" if body else "")
        hint = None
        if status == HTTPStatus.CONFLICT and "capacity" in body:
            hint = "a server with a queue lets predictions wait: start it with `cog serve --queue 100`"
        super().__init__(f"/predictions call returned {text}", hint=hint)


@dataclass(frozen=True)
class PredictionRequest:
    """One prediction, with our own id so that it can be canceled; `priority` is None for the default."""

    id: str
    input: Mapping[str, Any]
    context: Mapping[str, str] = field(default_factory=dict)
    is_training: bool = False
    priority: int | None = None

    @property
    def path(self) -> str:
        """The path for its PUT request, and the prefix of the path to cancel it."""
        return f"/{'trainings' if self.is_training else 'predictions'}/{self.id}"


class ModelClient:
    """The calls that the command line makes. Use it in an `async with` block."""

    def __init__(self, url: str) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        # Plain HTTP means this machine or one near it: use no proxy, and load no certificates.
        is_plain = self.url.startswith("http:")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=_authorization(),
            timeout=None,
            trust_env=not is_plain,
            verify=not is_plain,
            event_hooks={"response": [self._check_authorized]},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def _check_authorized(self, response: httpx.Response) -> None:
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise Unauthorized(self.url)

    async def health(self) -> Mapping[str, Any] | None:
        """Return the health report, None if there is no valid one yet."""
        try:
            response = await self._http.get("/health-check", timeout=HEALTH_TIMEOUT_S)
            report = response.json() if response.is_success else None
        except (httpx.TransportError, ValueError):
            return None
        return report if isinstance(report, dict) else None

    async def document(self) -> Mapping[str, Any]:
        """Return the OpenAPI document of the model. Raises ConnectionLost, or UserError if there is none."""
        try:
            response = await self._http.get("/openapi.json")
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        try:
            document = response.json() if response.is_success else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise UserError(f"{self.url} has no OpenAPI document (status {response.status_code})")
        return document

    async def predict(self, request: PredictionRequest) -> Reply:
        """Run a prediction and return its final state. Raises UserError if the server rejects it."""
        try:
            response = await self._http.put(request.path, content=_body(request), headers=_HEADERS)
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        return _reply(response)

    async def submit(self, request: PredictionRequest) -> None:
        """Create a prediction, which the server runs later. Raises UserError if the server rejects it."""
        headers = {**_HEADERS, "Prefer": "respond-async"}
        try:
            response = await self._http.put(request.path, content=_body(request), headers=headers)
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        _reply(response, HTTPStatus.ACCEPTED)

    async def predict_streaming(self, request: PredictionRequest, on_chunk: Callable[[Any], None]) -> Reply:
        """Like `predict`, but call `on_chunk` with each item of the output as soon as it is streamed.

        If the server does not stream, `on_chunk` is not called. Raises UserError also for a broken stream.
        """
        headers = {**_HEADERS, "Accept": EVENT_STREAM}
        try:
            async with self._http.stream(
                "PUT", request.path, content=_body(request), headers=headers
            ) as response:
                if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                    await response.aread()
                    return _reply(response)
                async for event in events(response):
                    match event.name:
                        case "output":
                            on_chunk(event.data["chunk"])
                        case "completed":
                            return dict(event.data)
                        case "error":
                            raise UserError(f"the output stream broke off: {event.data['error']}")
        except httpx.TransportError as error:
            raise ConnectionLost(self.url, error) from None
        raise UserError("the output stream ended without a result")

    async def cancel(self, request: PredictionRequest) -> None:
        """Cancel a prediction; does nothing if it has ended or the server cannot be reached."""
        try:
            await self._http.post(f"{request.path}/cancel", timeout=CANCEL_TIMEOUT_S)
        except httpx.TransportError:
            return


async def events(response: httpx.Response) -> AsyncIterator[ServerEvent]:
    """Yield the server-sent events of a response."""
    parser = EventParser()
    async for line in response.aiter_lines():
        event = parser.feed(line)
        if event is not None:
            yield event


def _authorization() -> dict[str, str]:
    token = os.environ.get(TOKEN_VARIABLE)
    return {"Authorization": f"Bearer {token}"} if token else {}


_HEADERS: Final = {"Content-Type": "application/json"}


def _body(request: PredictionRequest) -> bytes:
    body: dict[str, Any] = {"input": request.input}
    if request.context:
        body["context"] = request.context
    if request.priority is not None:
        body["priority"] = request.priority
    return json.dumps(body, allow_nan=False).encode("ascii")


def _reply(response: httpx.Response, wanted: HTTPStatus = HTTPStatus.OK) -> Reply:
    try:
        body = response.json()
    except ValueError:
        raise UnexpectedStatus(response) from None
    if not isinstance(body, dict):
        raise UnexpectedStatus(response)
    if response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY and _is_input_detail(body.get("detail")):
        raise InputsRefused(body["detail"])
    if response.status_code != wanted:
        raise UnexpectedStatus(response)
    return body


def _is_input_detail(detail: Any) -> bool:
    return isinstance(detail, list) and all(
        isinstance(entry, dict) and entry.get("loc", [])[:2] == ["body", "input"] for entry in detail
    )
