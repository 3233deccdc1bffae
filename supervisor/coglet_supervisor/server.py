"""One server from its first to its last moment: sockets, worker, HTTP, signals, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.errors import StartupError
from coglet_supervisor.health import HealthBody, report
from coglet_supervisor.init_system import Notifier, passed_socket, reap_orphans, watchdog_interval_s
from coglet_supervisor.listener import listen
from coglet_supervisor.outgoing.client import Outgoing, UnusableUrl, check_url
from coglet_supervisor.predictions.schema_source import SchemaSource, declared_concurrency
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings
from coglet_supervisor.temporary_folder import NoTemporaryFolder, TemporaryFolder, remove_abandoned
from coglet_supervisor.versions import versions
from coglet_supervisor.webhooks.signature import Signer
from coglet_supervisor.webhooks.token import WebhookToken
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from coglet_supervisor.http.app import App
    from coglet_supervisor.predictions.resources import FileStore
    from coglet_supervisor.predictions.service import PredictionService
    from coglet_supervisor.webhooks.delivery import Webhooks

log = logging.getLogger(__name__)

_REAP_S = 1.0
_STDIN = 0
_STDIN_BYTES = 4096
READINESS_FILE = Path("/var/run/cog/ready")

# The end takes the grace time and at most 6 s more. When the predictions have used it up, they have this long
# to be canceled, and then their last webhooks have; open answers have as long meanwhile, and killing what has
# not ended takes little more than a second.
_CANCELED_S = 2.0
LAST_WEBHOOKS_S = 2.0
_CLOSE_S = 0.5


class _Ended(Exception):
    """All is done; a task that is still there waits for nothing that could come, and is canceled."""


class Server:
    """Holds the parts together. Making one opens the port and starts the worker, which loads the model while
    the rest is imported."""

    def __init__(self, settings: Settings, server_log: ServerLog) -> None:
        self._settings = settings
        self._server_log = server_log
        _check_upload_url(settings)
        self._signer = Signer.from_secret(settings.webhook_signing_secret)
        self._token = _webhook_token(settings)
        self._listener = passed_socket(os.environ) or listen(settings.host, settings.port)
        self._listener.setblocking(False)
        self._notifier = Notifier(os.environ)
        self._folder = _temporary_folder()
        self._pool = SlotPool()
        rules = WorkerRules(
            setup_timeout_s=settings.setup_timeout_s,
            hang_timeout_s=settings.hang_timeout_s,
            stop_grace_s=settings.shutdown_grace_s,
            restarts=RestartPolicy(enabled=settings.worker_restarts),
        )
        self._schema = SchemaSource(settings)
        try:
            self._workers = WorkerSupervisor(
                [
                    WorkerSeat(spec, self._pool, server_log, rules)
                    for spec in worker_specs(settings, self._schema)
                ]
            )
        except StartupError:
            self._folder.remove()
            raise
        self._clients = ClientTasks()
        self._stop_asked = asyncio.Event()
        self._cut_short = asyncio.Event()
        self._drained = asyncio.Event()
        self._readiness_file_made = False

    async def run(self) -> None:
        """Serves until a signal or POST /shutdown, then drains and leaves nothing behind."""
        try:
            async with asyncio.TaskGroup() as self._tasks, self._clients:
                await self._serve()
                raise _Ended
        except* _Ended:
            pass
        finally:
            self._workers.kill()
            # A thread that is writing a file would leave it behind.
            await asyncio.get_running_loop().shutdown_default_executor()
            self._folder.remove()

    async def health_body(self) -> HealthBody:
        """What GET /health-check says."""
        workers = self._workers
        user_error = await workers.check_user_health()
        if workers.state == "READY" and self._settings.kubernetes:
            self._make_readiness_file()
        return HealthBody(
            status=report(workers.state, free_slots=self._pool.free, user_error=user_error),
            setup=workers.setup,
            version=versions(),
            user_healthcheck_error=user_error,
            restarts=workers.restarts,
        )

    def not_ready_because(self) -> str | None:
        """Why a prediction would not be taken now, or None."""
        if self._stop_asked.is_set():
            return "shutting down"
        if self._workers.state != "READY":
            return self._workers.state
        return None if self._pool.free else "BUSY"

    def ask_to_stop(self) -> None:
        """Drain and end; asked again: do not wait for what runs."""
        if self._stop_asked.is_set():
            self._cut_short.set()
        self._stop_asked.set()

    async def _serve(self) -> None:
        # Imported now: the worker is loading the model meanwhile.
        from coglet_supervisor.http.server import HttpServer
        from coglet_supervisor.memory import give_back_large_blocks
        from coglet_supervisor.webhooks.delivery import Webhooks

        give_back_large_blocks()
        settings = self._settings
        self._handle_signals()
        guard = UrlGuard.from_environment(os.environ)
        outgoing, uploading = Outgoing(guard), Outgoing(_guard_of_uploads(guard, settings))
        if settings.upload_url is not None:
            self.start_task(uploading.prepare())
        webhooks = Webhooks(
            outgoing,
            self._clients.start,
            interval_s=settings.webhook_interval_s,
            token=self._token,
            signer=self._signer,
        )
        service = self._make_service(uploading)
        http = HttpServer(
            self._make_app(service, webhooks),
            self._clients,
            settings.max_connections,
            send_timeout_s=settings.send_timeout_s or math.inf,
        )
        serving = self.start_task(http.serve(self._listener, self._drained.wait))
        service.use_schema(self._schema.document, ignore_unknown=settings.unknown_inputs == "ignore")
        workers = self.start_task(self._workers.run())
        duties = self.start_task(self._do_init_duties())
        await self._stop_asked.wait()
        self._notifier.notify("STOPPING=1")
        grace_ends = time.monotonic() + settings.shutdown_grace_s
        await self._drain(service)
        left_s = 0.0 if self._cut_short.is_set() else grace_ends - time.monotonic()
        await self._workers.stop(max(left_s, _CANCELED_S))
        workers.cancel()
        duties.cancel()
        self._drained.set()
        await self._deliver_last(webhooks, grace_ends)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await outgoing.close()
                await uploading.close()
        await serving

    def _make_service(self, outgoing: Outgoing) -> PredictionService:
        from coglet_supervisor.predictions.resources import RunResources
        from coglet_supervisor.predictions.service import PredictionService

        resources = RunResources(
            folder=self._folder.path,
            store=_file_store(self._settings, outgoing),
            start_task=self._clients.start,
            echo=self._server_log.echo,
            max_output_bytes=self._settings.max_output_bytes,
            max_log_bytes=self._settings.max_log_bytes,
            stream_history=self._settings.stream_history,
            timeout_s=self._settings.predict_timeout_s,
        )
        return PredictionService(
            self._pool,
            self._server_log,
            resources,
            state=lambda: self._workers.state,
            is_shutting_down=self._stop_asked.is_set,
        )

    def _make_app(self, service: PredictionService, webhooks: Webhooks) -> App:
        from coglet_supervisor.http.access import Access, is_loopback
        from coglet_supervisor.http.app import App
        from coglet_supervisor.http.predictions import PredictionRoutes
        from coglet_supervisor.pages.app import LazyPages

        settings = self._settings
        routes = PredictionRoutes(service, webhooks, self._clients.start, settings.max_body_bytes)
        access = Access(settings.api_token, is_loopback(settings.host), settings.allowed_hosts)
        return App(access, routes, self, LazyPages(service, self.ask_to_stop))

    async def _do_init_duties(self) -> None:
        await self._workers.wait_ready()
        self._notifier.notify("READY=1")
        self.start_task(_remove_abandoned())
        watchdog_s = watchdog_interval_s(os.environ)
        while True:
            await asyncio.sleep(min(watchdog_s or _REAP_S, _REAP_S))
            if watchdog_s is not None:
                self._notifier.notify("WATCHDOG=1")
            if os.getpid() == 1 and not self._workers.is_starting_a_process:
                reap_orphans(self._workers.pids)

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """For the server's own tasks: one that fails ends the server. `ClientTasks` has those of clients."""
        return self._tasks.create_task(work)

    async def _drain(self, service: PredictionService) -> None:
        """Lets what runs come to its end, for as long as the grace time, or until asked again."""
        await self._unless_cut_short(service.wait_empty(), self._settings.shutdown_grace_s)
        if canceled := service.cancel_all():
            log.warning("%d predictions did not end in time, canceling them", canceled)

    async def _deliver_last(self, webhooks: Webhooks, grace_ends: float) -> None:
        time_left_s = max(grace_ends - time.monotonic(), LAST_WEBHOOKS_S)
        await self._unless_cut_short(webhooks.wait_delivered(), time_left_s)
        await webhooks.close()

    async def _unless_cut_short(self, work: Coroutine[Any, Any, None], limit_s: float) -> None:
        """Does the work, but ends it after `limit_s` seconds, or when we are asked again to stop."""
        doing = self.start_task(work)
        cut = self.start_task(_as_task(self._cut_short))
        await asyncio.wait({doing, cut}, timeout=limit_s, return_when="FIRST_COMPLETED")
        doing.cancel()
        cut.cancel()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_signal, "SIGINT")
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        if self._settings.exit_with_stdin:
            loop.add_reader(_STDIN, self._on_stdin)
        if self._settings.await_explicit_shutdown:
            # A handler and not SIG_IGN, which the worker and its children would inherit.
            loop.add_signal_handler(
                signal.SIGTERM, lambda: log.info("Ignoring SIGTERM, waiting for /shutdown")
            )
        else:
            loop.add_signal_handler(signal.SIGTERM, self._on_signal, "SIGTERM")

    def _on_stdin(self) -> None:
        if os.read(_STDIN, _STDIN_BYTES):
            return
        asyncio.get_running_loop().remove_reader(_STDIN)
        log.info("stdin was closed by whoever started the server, shutting down...")
        self.ask_to_stop()
        self.ask_to_stop()  # nobody is left who waits for what runs

    def _on_hangup(self) -> None:
        log.info("Received SIGHUP, replacing the workers")
        self.start_task(self._workers.reload())

    def _on_signal(self, name: str) -> None:
        log.info("Received %s, shutting down...", name)
        self.ask_to_stop()

    def _make_readiness_file(self) -> None:
        if self._readiness_file_made:
            return
        self._readiness_file_made = True
        try:
            READINESS_FILE.parent.mkdir(parents=True, exist_ok=True)
            READINESS_FILE.touch()
        except OSError as error:
            log.warning("cannot create %s: %s", READINESS_FILE, error)


def _temporary_folder() -> TemporaryFolder:
    try:
        return TemporaryFolder.for_files()
    except NoTemporaryFolder as error:
        raise StartupError(str(error)) from error


async def _remove_abandoned() -> None:
    with contextlib.suppress(RuntimeError):  # no thread is left: the next server may have one
        if removed := await asyncio.to_thread(remove_abandoned):
            log.info("removed %d temporary folders of servers that were killed", len(removed))


def _check_upload_url(settings: Settings) -> None:
    if settings.upload_url is None:
        return
    try:
        check_url(settings.upload_url)
    except UnusableUrl as error:
        raise StartupError(f"cannot upload output files: {error}; correct --upload-url") from None


def _guard_of_uploads(guard: UrlGuard, settings: Settings) -> UrlGuard:
    """Files go where the operator says; where that server redirects to is judged as ever."""
    host = urlsplit(settings.upload_url or "").hostname
    return guard if host is None else guard.allowing(host)


def _webhook_token(settings: Settings) -> WebhookToken | None:
    if settings.webhook_auth_token is None:
        return None
    if not settings.webhook_auth_hosts:
        log.warning(
            "WEBHOOK_AUTH_TOKEN is sent to every receiver that a client names; "
            "list those that may have it in WEBHOOK_AUTH_HOSTS"
        )
    return WebhookToken(settings.webhook_auth_token, settings.webhook_auth_hosts)


def _file_store(settings: Settings, outgoing: Outgoing) -> FileStore:
    """Where output files go."""
    from coglet_supervisor.predictions.data_url_store import DataUrls
    from coglet_supervisor.predictions.uploads import Uploads

    if settings.upload_url is None:
        return DataUrls(settings.max_output_bytes)
    return Uploads(settings.upload_url, outgoing)


async def _as_task(event: asyncio.Event) -> None:
    await event.wait()


# What only the supervisor may know; the model and whatever it starts do not.
SUPERVISOR_ONLY = frozenset({"COG_API_TOKEN", "WEBHOOK_AUTH_TOKEN", "WEBHOOK_SIGNING_SECRET"})


def worker_specs(settings: Settings, schema: SchemaSource) -> list[WorkerSpec]:
    """How to start each worker of these settings; none without a model."""
    if settings.predictor_ref is None:
        return []
    num_slots = settings.max_concurrency or declared_concurrency(settings)
    environment = {name: value for name, value in os.environ.items() if name not in SUPERVISOR_ONLY}
    return [
        WorkerSpec(
            python=settings.worker_python,
            predictor_ref=settings.predictor_ref,
            is_train=settings.is_train,
            num_slots=num_slots,
            directory=settings.project_dir,
            environment=environment | settings.environment_of_worker(index),
            cancel_grace_s=settings.cancel_grace_s,
            max_predictions=settings.worker_max_predictions,
            max_rss_bytes=settings.worker_max_rss_bytes,
            input_kinds=schema.input_kinds,
        )
        for index in range(settings.workers)
    ]


def run_server(settings: Settings, server_log: ServerLog) -> None:
    """Runs a server to its end. Raises StartupError."""
    server = Server(settings, server_log)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(server.run())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # uvloop has no build for this interpreter
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
