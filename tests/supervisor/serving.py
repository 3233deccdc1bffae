"""The service with one slot and a fake worker, and the application over it, without sockets."""

from typing import Any

import msgspec
from testing.waiting import settle, wait_until
from tests.supervisor.fakes import Caller
from tests.supervisor.running import Bench

from coglet_protocol import slot
from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.health import State
from coglet_supervisor.http.access import Access
from coglet_supervisor.http.app import App
from coglet_supervisor.http.predictions import PredictionRoutes
from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.records import RecordRoutes
from coglet_supervisor.http.request import Receive, Scope, Send, respond
from coglet_supervisor.kept_files import FileLimits, KeptFiles
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.pages.app import LazyPages
from coglet_supervisor.pages.hosted.identity import Identity
from coglet_supervisor.pages.hosted.parts import HostedParts
from coglet_supervisor.pages.hosted.served_model import ServedModel
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import NewPrediction, PredictionService
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.webhooks.delivery import Webhooks
from coglet_supervisor.webhooks.signature import Signer

MAX_BODY_BYTES = 10_000


class Observed:
    """Observes all runs: what it saw, as pairs of a method and a status."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def run_created(self, run: PredictionRun) -> None:
        self.seen.append((f"created {run.id}", run.prediction.status))

    def run_ended(self, run: PredictionRun) -> None:
        self.seen.append((f"ended {run.id}", run.prediction.status))


class Service:
    """A service with one slot, and what its server would say."""

    def __init__(self, bench: Bench, server_log: ServerLog) -> None:
        self.bench = bench
        self.files = KeptFiles(
            bench.folder / "files", FileLimits(max_files=3, max_bytes=MAX_BODY_BYTES, ttl_s=60.0)
        )
        self.state: State = "READY"
        self.is_shutting_down = False
        self.observed = Observed()
        self.service = PredictionService(
            bench.pool,
            server_log,
            bench.resources,
            state=lambda: self.state,
            is_shutting_down=lambda: self.is_shutting_down,
            observers=[self.observed],
        )

    def create(
        self, prediction_id: str | None = "p", input_json: bytes = b"{}", **fields: Any
    ) -> PredictionRun:
        defaults: dict[str, Any] = {"kind": "prediction", "context": {}}
        new = NewPrediction(id=prediction_id, input_json=msgspec.Raw(input_json), **{**defaults, **fields})
        return self.service.create(new)

    def end(self, prediction_id: str = "p") -> None:
        """The worker is done."""
        self.bench.slot.receive(slot.Done(id=prediction_id, predict_time=0.0, output=b"1"))


class Health:
    """What the server says of itself."""

    def __init__(self) -> None:
        self.body: object = {"status": "READY"}
        self.reason: str | None = None

    async def health_body(self) -> object:
        return self.body

    def not_ready_because(self) -> str | None:
        return self.reason


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the path that it was asked for."""
    await respond(send, 200, b"page " + scope["raw_path"])


def known_model(identity: Identity) -> ServedModel:
    """The model with this identity."""
    model = ServedModel(lambda: identity)
    model.read()
    return model


def _ignore() -> None:
    """The server cannot be shut down."""


class Site:
    """The application over a service. Callers that have to wait do so in `clients`.

    With `hosted_identity`, its pages are the real ones.
    """

    def __init__(
        self,
        served: Service,
        clients: ClientTasks,
        *,
        token: str | None = None,
        repeats_from_records: bool = False,
        hosted_identity: Identity | None = None,
        signer: Signer | None = None,
        is_open: bool = False,
    ) -> None:
        self.served = served
        self.health = Health()
        self._clients = clients
        self._outgoing = Outgoing(UrlGuard())
        self.webhooks = Webhooks(self._outgoing, clients.start, interval_s=0.5)
        store = served.bench.records
        routes = PredictionRoutes(
            served.service,
            self.webhooks,
            clients.start,
            MAX_BODY_BYTES,
            repeats_from=store if repeats_from_records else None,
        )
        records = RecordRoutes(
            served.service, store, self.webhooks, PublicUrl("http://server"), clients.start
        )
        access = Access(token, is_loopback=False, allowed_hosts=frozenset())
        if hosted_identity is None:
            self._app = App(access, routes, records, self.health, pages)
        else:
            parts = HostedParts(
                service=served.service,
                store=store,
                webhooks=self.webhooks,
                files=served.files,
                public_url=PublicUrl(None),
                model=known_model(hosted_identity),
                signer=signer,
                max_body_bytes=MAX_BODY_BYTES,
                token=token,
                is_open=is_open,
            )
            self._app = App(
                access, routes, records, self.health, LazyPages(served.service, _ignore, lambda: parts)
            )

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Caller:
        """A whole request with its answer, which does not have to wait. A `body` is sent as JSON."""
        caller = self.call(method, path, body, **headers)
        if path.startswith("/v1"):
            await wait_until(lambda: caller.is_answered)  # Quart starts tasks
        await settle()
        assert caller.is_answered, f"{method} {path} waits"
        return caller

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Caller:
        """A request that may have to wait for its answer."""
        pieces = [] if body is None else [msgspec.json.encode(body)]
        caller = Caller(method, path, *pieces, **headers)
        self._clients.start(self.answer(caller))
        return caller

    async def answer(self, caller: Caller) -> None:
        """Lets the application answer, and raises what it raises."""
        await self._app(caller.scope, caller.receive, caller.send)

    async def close(self) -> None:
        """Ends the deliveries of webhooks that are left."""
        await self.webhooks.close()
        await self._outgoing.close()
