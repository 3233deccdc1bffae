"""A prediction as the hosted API represents it, in responses and webhooks."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec

from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.prediction import JSON_NULL, Kind, Snapshot, Status
from coglet_supervisor.signed_urls import signed_url

COLLECTIONS: Final[dict[Kind, str]] = {"prediction": "predictions", "training": "trainings"}

# The last second that RFC 3339 can express.
_LAST_S: Final = 253_402_300_799.0

_encode: Final = msgspec.json.Encoder().encode


class Urls(msgspec.Struct, omit_defaults=True):
    """The routes of one prediction."""

    get: str
    cancel: str
    stream: str | msgspec.UnsetType = msgspec.UNSET


class HostedBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A prediction or training. Times are RFC 3339 in UTC."""

    id: str
    model: str
    version: str
    destination: str | msgspec.UnsetType = msgspec.UNSET
    input: msgspec.Raw | None
    output: msgspec.Raw
    logs: str
    error: str | None
    status: Status
    data_removed: bool
    source: str
    created_at: str
    started_at: str | None
    completed_at: str | None
    deadline: str | msgspec.UnsetType = msgspec.UNSET
    metrics: dict[str, Any]
    urls: Urls


class Times(Protocol):
    """The part of a Prediction or Record that a body needs beside its Snapshot."""

    @property
    def kind(self) -> Kind: ...

    @property
    def created_at(self) -> float: ...

    @property
    def started_at(self) -> float | None: ...

    @property
    def completed_at(self) -> float | None: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def is_streaming(self) -> bool: ...


def hosted_body(
    times: Times, state: Snapshot, call: HostedCall, input_json: msgspec.Raw | None, token: str | None
) -> HostedBody:
    """Return the body of a prediction. Without an `input_json`, its data were removed.

    The URL of its stream is signed if there is a `token`.
    """
    unset = msgspec.UNSET
    path = f"/v1/{COLLECTIONS[times.kind]}/{quote(state.id, safe='')}"
    url = f"{call.base_url}{path}"
    has_stream = times.is_streaming and times.kind == "prediction"
    ended = times.completed_at is not None and state.status not in ("starting", "processing")
    metrics: dict[str, Any] = {} if state.metrics is unset else dict(state.metrics)
    if ended and times.completed_at is not None:
        metrics["total_time"] = max(times.completed_at - times.created_at, 0.0)
    return HostedBody(
        id=state.id,
        model=call.model,
        version=call.version,
        destination=call.destination if call.destination is not None else unset,
        input=input_json,
        output=state.output if state.output is not unset else JSON_NULL,
        logs=state.logs if state.logs is not unset else "",
        error=state.error if state.error is not unset else None,
        status=state.status,
        data_removed=input_json is None,
        source="api",
        created_at=timestamp(times.created_at),
        started_at=timestamp(times.started_at) if times.started_at is not None else None,
        completed_at=timestamp(times.completed_at) if ended and times.completed_at is not None else None,
        deadline=timestamp(times.deadline) if times.deadline is not None else unset,
        metrics=metrics,
        urls=Urls(
            get=url,
            cancel=f"{url}/cancel",
            stream=signed_url(call.base_url, f"{path}/stream", token) if has_stream else unset,
        ),
    )


class Bodies(Protocol):
    """Encodes the states of one prediction for its webhook."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes beside the prediction."""
        ...

    def __call__(self, times: Times, state: Snapshot) -> bytes: ...


class ContainerBodies:
    """The bodies of the container API: the state alone."""

    size_bytes: Final = 0

    def __call__(self, times: Times, state: Snapshot) -> bytes:
        """See Bodies."""
        return _encode(state)


CONTAINER_BODIES: Final = ContainerBodies()


@dataclass(frozen=True)
class HostedBodies:
    """The bodies of the hosted API. `mask` masks the secrets in the input; `token` is that of clients."""

    call: HostedCall
    input_json: msgspec.Raw | None
    mask: Callable[[msgspec.Raw], msgspec.Raw]
    token: str | None

    @property
    def size_bytes(self) -> int:
        """See Bodies."""
        return 0 if self.input_json is None else len(self.input_json)

    def __call__(self, times: Times, state: Snapshot) -> bytes:
        """See Bodies."""
        shown = None if self.input_json is None else self.mask(self.input_json)
        return _encode(hosted_body(times, state, self.call, shown, self.token))


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC with microseconds; of times after the year 9999, its end."""
    moment = datetime.datetime.fromtimestamp(min(seconds, _LAST_S), datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
