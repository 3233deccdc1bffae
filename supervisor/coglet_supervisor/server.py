"""One server from start to exit: listening socket, workers, HTTP, signals and shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import math
import os
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.errors import StartupError
from coglet_supervisor.init_system import Notifier, passed_socket, reap_orphans, watchdog_interval_s
from coglet_supervisor.kept_files import FileLimits, KeptFiles
from coglet_supervisor.listener import listen
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.outgoing.upload_target import check_upload_url, guard_of_uploads
from coglet_supervisor.predictions.queue import RunQueue
from coglet_supervisor.predictions.schema_source import SchemaSource
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings
from coglet_supervisor.stop_request import StopRequest
from coglet_supervisor.temporary_folder import NoTemporaryFolder, TemporaryFolder, remove_abandoned
from coglet_supervisor.webhooks.authentication import Authentication
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import worker_specs
from coglet_supervisor.workers.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from coglet_supervisor.http.app import App
    from coglet_supervisor.predictions.service import PredictionService
    from coglet_supervisor.predictions.validation import Validation
    from coglet_supervisor.records.store import Store
    from coglet_supervisor.webhooks.delivery import Webhooks

log = logging.getLogger(__name__)

_PERIOD_S = 1.0

# A shutdown takes the grace time and at most 6 s more. When predictions have used up the grace time, they get
# _CANCELED_S to be canceled, and then their last webhooks get LAST_WEBHOOKS_S; open responses have the same
# time in parallel. Killing what has not exited takes little more than a second.
_CANCELED_S = 2.0
LAST_WEBHOOKS_S = 2.0
_CLOSE_S = 0.5


class _Ended(Exception):
    """The shutdown is complete; raised in the task group so that the remaining tasks are canceled."""


class Server:
    """Connects the parts of a server.

    The constructor opens the port and starts the workers, which load the model while the rest is imported.
    Raises StartupError.
    """

    def __init__(self, settings: Settings, server_log: ServerLog) -> None:
        self._settings = settings
        self._server_log = server_log
        check_upload_url(settings.upload_url)
        self._authentication = Authentication.from_settings(settings)
        self._listener = passed_socket(os.environ) or listen(settings.host, settings.port)
        self._listener.setblocking(False)
        self._notifier = Notifier(os.environ)
        self._folder = _temporary_folder()
        self._pool = SlotPool(RunQueue(settings.queue_size, settings.queue_max_bytes))
        rules = WorkerRules(
            setup_timeout_s=settings.setup_timeout_s,
            hang_timeout_s=settings.hang_timeout_s,
            stop_grace_s=settings.shutdown_grace_s,
            restarts=RestartPolicy(enabled=settings.worker_restarts),
        )
        self._schema = SchemaSource(settings)
        self._service: PredictionService | None = None
        try:
            self._workers = WorkerSupervisor(
                [
                    WorkerSeat(spec, self._pool, server_log, rules)
                    for spec in worker_specs(settings, self._schema)
                ]
            )
        except BaseException:  # whatever it is, the folder must not stay
            self._folder.remove()
            raise
        try:
            self._store = self._open_store()
            self._files = self._open_files()
        except BaseException:  # as above, and no worker may stay
            self._workers.kill()
            self._folder.remove()
            raise
        self._clients = ClientTasks()
        self._stop = StopRequest()
        self._drained = asyncio.Event()

    async def run(self) -> None:
        """Serve until a signal or POST /shutdown, then drain, end the workers and remove temporary files."""
        try:
            async with asyncio.TaskGroup() as self._tasks, self._clients:
                await self._serve()
                raise _Ended
        except* _Ended:
            pass
        finally:
            self._workers.kill()
            await self._store.close()
            # A thread that is still writing a file would leave it in the folder.
            await asyncio.get_running_loop().shutdown_default_executor()
            self._folder.remove()

    async def _serve(self) -> None:
        # Imported here because the workers load the model in the meantime.
        from coglet_supervisor.http.server import HttpServer
        from coglet_supervisor.memory import return_large_blocks
        from coglet_supervisor.records.restoring import restore
        from coglet_supervisor.webhooks.delivery import Webhooks

        return_large_blocks()
        settings = self._settings
        self._stop.watch_signals(self._on_hangup, ignore_sigterm=settings.await_explicit_shutdown)
        if settings.exit_with_stdin:
            self._stop.watch_stdin()
        guard = UrlGuard.from_environment(os.environ)
        outgoing, uploading = Outgoing(guard), Outgoing(guard_of_uploads(guard, settings.upload_url))
        if settings.upload_url is not None:
            self.start_task(uploading.prepare())
        webhooks = Webhooks(
            outgoing,
            self._clients.start,
            interval_s=settings.webhook_interval_s,
            authentication=self._authentication,
            on_delivered=self._store.webhook_delivered,
        )
        service = self._service = self._make_service(uploading)
        http = HttpServer(
            self._make_app(service, webhooks),
            self._clients,
            settings.max_connections,
            send_timeout_s=settings.send_timeout_s or math.inf,
        )
        service.use_schema(self._schema.document, ignore_unknown=settings.unknown_inputs == "ignore")
        # Before the first request, which finds either the run of a prediction or its end.
        await restore(self._store, service, webhooks, settings.max_attempts)
        serving = self.start_task(http.serve(self._listener, self._drained.wait))
        workers = self.start_task(self._run_workers(service))
        periodic_tasks = self.start_task(self._run_periodic_tasks())
        # A task of its own: the watchdog does not wait for a slow disk.
        expiry = self.start_task(self._expire_records())
        await self._stop.wait()
        self._notifier.notify("STOPPING=1")
        grace_ends = time.monotonic() + settings.shutdown_grace_s
        await self._drain(service)
        left_s = 0.0 if self._stop.is_urgent else grace_ends - time.monotonic()
        await self._workers.stop(max(left_s, _CANCELED_S))
        workers.cancel()
        periodic_tasks.cancel()
        expiry.cancel()
        self._drained.set()
        await self._deliver_last(webhooks, grace_ends)
        await _close(outgoing, uploading)
        await serving

    def _open_store(self) -> Store:
        from coglet_supervisor.records.opening import open_store

        return open_store(self._settings, self._validation)

    def _open_files(self) -> KeptFiles:
        from coglet_supervisor.records.opening import kept_folder

        kept = kept_folder(self._settings)
        folder = self._folder.path / "files" if kept is None else kept
        try:
            limits = FileLimits.from_settings(self._settings)
            return KeptFiles(folder, limits, is_durable=kept is not None)
        except OSError as error:
            raise StartupError(f"The files in {folder} cannot be read: {error.strerror}") from error

    def _validation(self) -> Validation:
        assert self._service is not None
        return self._service.validation

    async def _expire_records(self) -> None:
        from coglet_supervisor.predictions.record import NotRecorded
        from coglet_supervisor.records.store import NotReadable

        service = self._service
        assert service is not None
        await self._workers.wait_ready()
        while True:
            await asyncio.sleep(_PERIOD_S)
            try:
                await self._store.expire()
                await self._files.expire_used(
                    lambda each: service.find(each) is not None, self._store.recorded
                )
            except (NotReadable, NotRecorded, OSError) as error:
                log.warning("old records were not removed: %s", error)

    async def _run_workers(self, service: PredictionService) -> None:
        await self._workers.run()
        service.stop_waiting("Prediction was not run: no worker could be started")

    def _make_service(self, outgoing: Outgoing) -> PredictionService:
        from coglet_supervisor.predictions.file_store import file_store
        from coglet_supervisor.predictions.hosted_inputs import files_in
        from coglet_supervisor.predictions.hosted_outputs import hosted_stores
        from coglet_supervisor.predictions.resources import RunResources
        from coglet_supervisor.predictions.service import PredictionService

        store = file_store(self._settings.upload_url, self._settings.max_output_bytes, outgoing)
        resources = RunResources(
            folder=self._folder.path,
            store=store,
            hosted_store=hosted_stores(self._settings, self._files, store),
            input_files=functools.partial(files_in, self._files),
            recorder=self._store,
            numbers=itertools.count(self._store.last_sequence + 1),
            start_task=self._clients.start,
            echo=self._server_log.echo,
            max_output_bytes=self._settings.max_output_bytes,
            max_log_bytes=self._settings.max_log_bytes,
            stream_history=self._settings.stream_history,
            timeout_s=self._settings.predict_timeout_s,
            queue_timeout_s=self._settings.queue_timeout_s,
            token=self._settings.api_token,
        )
        return PredictionService(
            self._pool,
            self._server_log,
            resources,
            state=lambda: self._workers.state,
            is_shutting_down=lambda: self._stop.is_made,
        )

    def _make_app(self, service: PredictionService, webhooks: Webhooks) -> App:
        from coglet_supervisor.health_reporter import HealthReporter
        from coglet_supervisor.http.access import Access, is_loopback
        from coglet_supervisor.http.app import App
        from coglet_supervisor.http.predictions import PredictionRoutes
        from coglet_supervisor.http.public_url import PublicUrl
        from coglet_supervisor.http.records import RecordRoutes
        from coglet_supervisor.pages.app import LazyPages
        from coglet_supervisor.pages.hosted.parts import make_parts

        settings = self._settings
        start_task = self._clients.start
        repeats_from = self._store if settings.idempotent_put == "records" else None
        predictions = PredictionRoutes(service, webhooks, start_task, settings.max_body_bytes, repeats_from)
        records = RecordRoutes(service, self._store, webhooks, PublicUrl.from_settings(settings), start_task)
        access = Access(settings.api_token, is_loopback(settings.host), settings.allowed_hosts)
        pages = LazyPages(
            service,
            self._stop.make,
            lambda: make_parts(settings, service, self._store, webhooks, self._files),
        )
        health = HealthReporter(self._workers, self._pool, self._stop, on_kubernetes=settings.kubernetes)
        return App(access, predictions, records, health, pages)

    async def _run_periodic_tasks(self) -> None:
        await self._workers.wait_ready()
        self._notifier.notify("READY=1")
        self.start_task(_remove_abandoned())
        watchdog_s = watchdog_interval_s(os.environ)
        while True:
            await asyncio.sleep(min(watchdog_s or _PERIOD_S, _PERIOD_S))
            if watchdog_s is not None:
                self._notifier.notify("WATCHDOG=1")
            if os.getpid() == 1 and not self._workers.is_starting_a_process:
                reap_orphans(self._workers.pids)

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the server itself: if it fails, the server exits.

        See `ClientTasks` for clients' tasks.
        """
        return self._tasks.create_task(work)

    async def _drain(self, service: PredictionService) -> None:
        """Wait for predictions until the grace time is over or a second stop is requested, then cancel.

        Those that have not started are not waited for.
        """
        service.stop_waiting("Prediction was not run: the server was stopped")
        await self._stop.unless_urgent(service.wait_empty(), self._settings.shutdown_grace_s)
        if self._stop.has_lost_parent:
            service.leave_running()
        if canceled := service.cancel_all():
            log.warning("%d predictions did not end within the grace time, canceling them", canceled)

    async def _deliver_last(self, webhooks: Webhooks, grace_ends: float) -> None:
        time_left_s = max(grace_ends - time.monotonic(), LAST_WEBHOOKS_S)
        await self._stop.unless_urgent(webhooks.wait_delivered(), time_left_s)
        await webhooks.close()

    def _on_hangup(self) -> None:
        log.info("Received SIGHUP, replacing the workers")
        self.start_task(self._workers.reload())


async def _close(*clients: Outgoing) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            for client in clients:
                await client.close()


def _temporary_folder() -> TemporaryFolder:
    try:
        return TemporaryFolder.for_files()
    except NoTemporaryFolder as error:
        raise StartupError(str(error)) from error


async def _remove_abandoned() -> None:
    with contextlib.suppress(RuntimeError):  # no thread is available; the next server tries again
        if removed := await asyncio.to_thread(remove_abandoned):
            log.info("removed %d temporary folders of servers that were killed", len(removed))


def run_server(settings: Settings, server_log: ServerLog) -> None:
    """Run a server until it shuts down. Raises StartupError if it cannot start."""
    server = Server(settings, server_log)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(server.run())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # uvloop has no build for this interpreter
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
