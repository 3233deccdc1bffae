"""The requests that docs/http.md shows, in their order, with a sentence about each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MODEL: Final = """import time

from cog import BasePredictor, ConcatenateIterator, Input, streaming


class Predictor(BasePredictor):
    @streaming
    def predict(
        self,
        name: str = Input(description="Who is greeted"),
        seconds: float = Input(description="How long it takes", default=0, ge=0),
    ) -> ConcatenateIterator[str]:
        time.sleep(seconds)
        for part in ("Hello, ", name, "!"):
            yield part
"""
TRAINING: Final = """def train(steps: int) -> str:
    print("training")
    return "weights" * steps
"""
_ASYNC: Final = {"Prefer": "respond-async"}
_EVENTS: Final = {"Accept": "text/event-stream"}
_FORM: Final = (
    b"--part\r\n"
    b'Content-Disposition: form-data; name="content"; filename="names.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n"
    b"Ada\n\r\n"
    b"--part--\r\n"
)


@dataclass(frozen=True)
class Exchange:
    """One request. `{name}` in its route is replaced by what an earlier response had at `keeps`."""

    route: str  # GET /predictions/{prediction_id}
    text: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)  # name in later routes: key of this response
    shown_lines: int = 60
    is_endless: bool = False  # a stream, of which the first event is shown


@dataclass(frozen=True)
class Section:
    """Exchanges with one server."""

    title: str
    text: str
    exchanges: tuple[Exchange, ...]


_FIELDS: Final = """The body of a request that creates a prediction:

| field | meaning |
|---|---|
| `input` | the inputs of the model |
| `id` | the id; without one, the server makes one. `PUT` has it in the path |
| `priority` | from -10 to 10, 0 by default: the [order in the queue](records.md#order) |
| `context` | names and texts that the model finds in `current_scope().context` |
| `webhook` | a URL that gets the state of the prediction by `POST`, as `GET` shows it |
| `webhook_events_filter` | when it gets them, all by default: `start`, `output`, `logs`, `completed` |

| header of the request | effect |
|---|---|
| `Prefer: respond-async` | the response, 202, comes at once |
| `Prefer: wait=N` | the response is 202 if the prediction does not end within N seconds |
| `Accept: text/event-stream` | the response is a [stream of events](streaming.md) |

| status | when |
|---|---|
| 400, 415 | the body is not JSON |
| 404, 405 | there is no such route; `Allow` has its methods |
| 406 | the model streams no events |
| 409 | all slots are busy, and there is no queue |
| 410 | the prediction was kept, and has expired |
| 413 | the body is larger than `COG_MAX_BODY_BYTES` |
| 422 | an input does not fit the schema, which `detail` explains |
| 429 | the queue is full; `Retry-After` says for how many seconds |
| 503 | the model is not ready, or the records cannot be read |
| 507 | the store of records cannot be written |

The end is sent to a webhook until it is taken, for about seven minutes; the other events once. With
`WEBHOOK_SIGNING_SECRET`, webhooks are [signed](configuration.md#webhooks)."""

_GREETING: Final = {"prediction_id": "greeting-1"}
_PREDICTIONS: Final = Section(
    "Predictions",
    _FIELDS,
    (
        Exchange(
            "POST /predictions",
            "Runs a prediction. The response comes when it has ended; a client that disconnects cancels it.",
            {"id": "greeting-1", "input": {"name": "Ada"}},
        ),
        Exchange(
            "POST /predictions",
            "With `Accept: text/event-stream`, a stream of events; see [streaming.md](streaming.md).",
            {"id": "greeting-3", "input": {"name": "Alan"}},
            _EVENTS,
        ),
        Exchange("POST /predictions", "An input that the model does not accept.", {"input": {"name": 7}}),
        Exchange(
            "POST /predictions",
            "With `Prefer: respond-async`, the response comes at once, and a client that\n"
            "disconnects cancels nothing.",
            {"id": "greeting-2", "input": {"name": "Grace", "seconds": 60}},
            _ASYNC,
        ),
        Exchange(
            "POST /predictions/{prediction_id}/cancel",
            "Cancels a prediction that waits or runs. Unknown ids: 404.",
            values={"prediction_id": "greeting-2"},
        ),
        Exchange(
            "PUT /predictions/{prediction_id}",
            "The same as `POST`, with the id in the path. If a prediction with this id\n"
            "runs already, the response is about that one, and no other is started.",
            {"input": {"name": "Edsger"}},
            values={"prediction_id": "greeting-4"},
        ),
        Exchange(
            "GET /predictions/{prediction_id}",
            "The state of a prediction, also after its end, as long as its [record](records.md) is kept.",
            values=_GREETING,
        ),
        Exchange(
            "GET /predictions",
            "The predictions that are kept, newest first. The query may have\n"
            "`status`, `limit`, `fields` and `cursor`.",
            shown_lines=30,
        ),
        Exchange(
            "DELETE /predictions/{prediction_id}", "Removes the record of a prediction.", values=_GREETING
        ),
    ),
)
_SERVER: Final = Section(
    "The server",
    "Health checks work without a token, and while the model is loading or has failed.",
    (
        Exchange(
            "GET /health-check",
            "The state of the model: `STARTING`, `READY`, `BUSY`, `SETUP_FAILED`, `DEFUNCT`, `UNHEALTHY`,\n"
            "or `UNKNOWN` if there is no model.",
        ),
        Exchange("GET /livez", "Whether the server answers. For liveness probes."),
        Exchange(
            "GET /readyz",
            "Whether it can run predictions; else 503 with the reason. For readiness probes.",
        ),
        Exchange("GET /", "The routes and the version."),
        Exchange("GET /openapi.json", "The [OpenAPI document](schema.md) of the model.", shown_lines=24),
        Exchange("GET /docs", "A page with the OpenAPI document.", shown_lines=6),
        Exchange("GET /docs/start.js", "The script of that page."),
        Exchange("GET /docs/{name}", "Its other files.", values={"name": "swagger-ui.css"}, shown_lines=0),
        Exchange(
            "GET /metrics",
            "What the server counts, for Prometheus; see [metrics.md](metrics.md).",
            shown_lines=8,
        ),
    ),
)
_PAGE: Final = Section(
    "The page",
    "For people, in a browser; see [page.md](page.md). With `COG_UI=off`, these are 404.",
    (
        Exchange("GET /ui", "Leads to the page."),
        Exchange("GET /ui/", "The page.", shown_lines=6),
        Exchange("GET /ui/config", "What the page has to know of its server."),
        Exchange("GET /ui/{name}", "Its other files.", values={"name": "main.js"}, shown_lines=0),
        Exchange(
            "GET /ui/data/events",
            "Events of the server and its predictions, for as long as the page is open.",
            is_endless=True,
        ),
        Exchange(
            "GET /ui/data/progress",
            "What the prediction `?id=ID` prints, until it has ended.",
        ),
    ),
)
_MINE: Final = {"owner": "me", "name": "greeter"}
_HOSTED: Final = Section(
    "The hosted API",
    "For the official clients: [hosted-api.md](hosted-api.md). The server of these examples has\n"
    "`COG_MODEL_NAME=me/greeter` and a `WEBHOOK_SIGNING_SECRET`.",
    (
        Exchange("GET /v1/models", "The model, in a list.", shown_lines=20),
        Exchange("GET /v1/models/{owner}/{name}", "The model.", values=_MINE, shown_lines=20),
        Exchange(
            "GET /v1/models/{owner}/{name}/versions",
            "Its version, in a list.",
            values=_MINE,
            keeps={"version": "results.0.id"},
            shown_lines=12,
        ),
        Exchange(
            "GET /v1/models/{owner}/{name}/versions/{version}", "Its version.", values=_MINE, shown_lines=12
        ),
        Exchange(
            "POST /v1/models/{owner}/{name}/predictions",
            "Creates a prediction. With `Prefer: wait`, the response comes when it has ended.",
            {"input": {"name": "Ada"}},
            {"Prefer": "wait=10"},
            values=_MINE,
            keeps={"prediction_id": "id"},
        ),
        Exchange(
            "POST /v1/predictions",
            "The same, with the model or its version in the body.",
            {"version": "me/greeter", "input": {"name": "Grace"}},
            {"Prefer": "wait=10"},
        ),
        Exchange(
            "POST /v1/deployments/{owner}/{name}/predictions",
            "The same, for clients that use deployments.",
            {"input": {"name": "Alan"}},
            {"Prefer": "wait=10"},
            values=_MINE,
        ),
        Exchange("GET /v1/predictions/{prediction_id}", "The state of a prediction."),
        Exchange("GET /v1/predictions/{prediction_id}/stream", "Its events.", None, _EVENTS),
        Exchange("GET /v1/predictions", "The predictions that are kept, newest first.", shown_lines=20),
        Exchange("POST /v1/predictions/{prediction_id}/cancel", "Cancels a prediction, unless it has ended."),
        Exchange(
            "POST /v1/files",
            "Keeps a file, for use as an input.",
            _FORM,
            {"Content-Type": "multipart/form-data; boundary=part"},
            keeps={"file_id": "id"},
        ),
        Exchange("GET /v1/files", "The files that are kept.", shown_lines=12),
        Exchange("GET /v1/files/{file_id}", "One of them."),
        Exchange("GET /v1/files/{file_id}/download", "Its content."),
        Exchange("DELETE /v1/files/{file_id}", "Removes it."),
        Exchange("GET /v1/account", "The owner of the model."),
        Exchange("GET /v1/hardware", "The processors of the machine."),
        Exchange(
            "GET /v1/webhooks/default/secret", "The key that webhooks are signed with; 404 without one."
        ),
        Exchange(
            "GET /v1/{rest}",
            "Everything else is 404.",
            values={"rest": "collections"},
        ),
    ),
)
_SHUTDOWN: Final = Section(
    "Shutdown",
    "",
    (Exchange("POST /shutdown", "Ends the server as SIGTERM does: running predictions may finish."),),
)
_TRAININGS: Final = Section(
    "Trainings",
    "With `--x-mode train`, the server runs the training of `COG_TRAIN_TYPE_STUB`.",
    (
        Exchange("POST /trainings", "Runs a training.", {"id": "training-1", "input": {"steps": 2}}),
        Exchange(
            "PUT /trainings/{training_id}",
            "The same, with the id in the path.",
            {"input": {"steps": 1}},
            values={"training_id": "training-2"},
        ),
        Exchange(
            "GET /trainings/{training_id}", "The state of a training.", values={"training_id": "training-1"}
        ),
        Exchange("GET /trainings", "The trainings that are kept.", shown_lines=12),
        Exchange(
            "POST /trainings/{training_id}/cancel",
            "Cancels a training.",
            values={"training_id": "training-1"},
        ),
        Exchange(
            "DELETE /trainings/{training_id}", "Removes a record.", values={"training_id": "training-1"}
        ),
        Exchange(
            "GET /v1/models/{owner}/{name}/versions",
            "In the hosted API.",
            values=_MINE,
            keeps={"version": "results.0.id"},
            shown_lines=5,
        ),
        Exchange(
            "POST /v1/models/{owner}/{name}/versions/{version}/trainings",
            "Creates a training.",
            {"destination": "me/trained", "input": {"steps": 1}},
            {"Prefer": "wait=10"},
            values=_MINE,
            keeps={"training_id": "id"},
        ),
        Exchange("GET /v1/trainings/{training_id}", "The state of a training.", shown_lines=12),
        Exchange("GET /v1/trainings", "The trainings that are kept.", shown_lines=5),
        Exchange(
            "POST /v1/trainings/{training_id}/cancel",
            "Cancels a training, unless it has ended.",
            shown_lines=5,
        ),
    ),
)
OF_PREDICTIONS: Final = (_PREDICTIONS, _SERVER, _PAGE, _HOSTED, _SHUTDOWN)
OF_TRAININGS: Final = (_TRAININGS,)
