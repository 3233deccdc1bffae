"""One server from start to exit: listening socket, workers, HTTP, signals and shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from coglet_supervisor.certificates import Certificates
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.end_deadline import AFTER_GRACE_S, EndDeadline
from coglet_supervisor.errors import StartupError
from coglet_supervisor.init_system import Notifier, passed_socket, reap_orphans, watchdog_interval_s
from coglet_supervisor.kept_files import FileLimits, KeptFiles
from coglet_supervisor.listener import as_passed, listen, listen_as_set, remove_unix
from coglet_supervisor.outgoing.upload_target import check_upload_url
from coglet_supervisor.pages.hosted.served_model import ServedModel
from coglet_supervisor.parent_process import ParentProcess
from coglet_supervisor.predictions.queue import RunQueue
from coglet_supervisor.predictions.schema_source import SchemaSource
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.reloader import Reloader
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.settings import Settings
from coglet_supervisor.shutdown import Shutdown, closing_records
from coglet_supervisor.stop_request import StopRequest
from coglet_supervisor.temporary_folder import NoTemporaryFolder, TemporaryFolder, remove_abandoned
from coglet_supervisor.webhooks.authentication import Authentication
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import worker_specs
from coglet_supervisor.workers.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from coglet_supervisor.pages.hosted.identity import Identity
    from coglet_supervisor.predictions.service import PredictionService
    from coglet_supervisor.predictions.validation import Document, Validation
    from coglet_supervisor.records.store import Store

log = logging.getLogger(__name__)

_PERIOD_S = 1.0

# Threads that still read or write a file have this time, and so has the removal of the temporary folder.
_FILES_S = 3.0


class _Ended(Exception):
    """The shutdown is complete; raised in the task group so that the remaining tasks are canceled."""


class Server:
    """Connects the parts of a server.

    The constructor opens the port and starts the workers, which load the model while the rest is imported.
    Raises StartupError.
    """

    def __init__(self, settings: Settings, server_log: ServerLog, deadline: EndDeadline) -> None:
        self._stop = _stop_request(settings, deadline)
        self._deadline = deadline
        self._server_log = server_log
        check_upload_url(settings.upload_url)
        self._authentication = Authentication.from_settings(settings)
        self._certificates = Certificates.from_settings(settings)
        self._listener, settings, self._made_unix_socket = _listening(settings)
        self._settings = settings
        self._listener.setblocking(False)
        self._metrics_listener: socket.socket | None = None
        if not isinstance(settings.metrics, bool):
            self._metrics_listener = listen(settings.metrics_host, settings.metrics, serves="metrics")
            self._metrics_listener.setblocking(False)
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
        self._model = ServedModel(self._find_identity)
        self._reloader = Reloader(settings, self._schema, self._workers, self._use_version)
        self._clients = ClientTasks()
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
            await self._release()

    async def _release(self) -> None:
        """Release what outlives the tasks. What blocks, such as a file system, is ended by the deadline."""
        self._deadline.within(AFTER_GRACE_S)  # there is none when a task has failed
        self._workers.kill()
        async with closing_records(self._deadline):
            await self._store.close()
        self._deadline.within(_FILES_S)
        if self._made_unix_socket is not None:
            remove_unix(self._made_unix_socket)
        # A thread that is still writing a file would leave it in the folder.
        await asyncio.get_running_loop().shutdown_default_executor()
        self._folder.remove()

    async def _serve(self) -> None:
        # Imported here because the workers load the model in the meantime.
        from coglet_supervisor.http.server import HttpServer
        from coglet_supervisor.memory import return_large_blocks
        from coglet_supervisor.metrics.machine import Machine
        from coglet_supervisor.monitoring import Monitoring
        from coglet_supervisor.parts import Parts
        from coglet_supervisor.records.restoring import restore
        from coglet_supervisor.tracing.opening import open_tracing

        return_large_blocks()
        settings = self._settings
        parts = Parts(
            settings=settings,
            server_log=self._server_log,
            authentication=self._authentication,
            folder=self._folder.path,
            files=self._files,
            pool=self._pool,
            workers=self._workers,
            store=self._store,
            clients=self._clients,
            stop=self._stop,
            reloader=self._reloader,
            model=self._model,
        )
        self._watch_for_stop()
        tracing = await open_tracing(settings, self._server_log)
        outgoing, uploading = parts.make_clients(tracing)
        if settings.upload_url is not None:
            self.start_task(uploading.prepare())
        webhooks = parts.make_webhooks(outgoing)
        monitoring = Monitoring(settings, self._metrics_listener)
        service = self._service = parts.make_service(uploading, tracing, monitoring)
        machine = Machine(service, self._pool, self._workers, webhooks)
        http = HttpServer(
            tracing.app(parts.make_app(service, webhooks, machine, monitoring)),
            self._clients,
            settings.max_connections,
            send_timeout_s=settings.send_timeout_s or math.inf,
            counts=monitoring.response_counts,
        )
        self._use_schema(self._schema.document)
        # Before the first request, which finds either the run of a prediction or its end.
        await restore(self._store, service, webhooks, settings.max_attempts)
        serving = [
            self.start_task(http.serve(self._listener, self._drained.wait, self._certificates)),
            *map(self.start_task, monitoring.tasks(machine, self._clients, self._drained.wait)),
        ]
        duties = self._start_duties(service)
        await self._stop.wait()
        self._notifier.notify("STOPPING=1")
        shutdown = Shutdown(self._stop, self._deadline, settings.shutdown_grace_s)
        await shutdown.drain(service)
        await shutdown.stop_workers(self._workers)
        for duty in duties:
            duty.cancel()
        self._drained.set()
        await shutdown.deliver_last(webhooks)
        await shutdown.close(outgoing, uploading)
        await shutdown.wait_served(serving)
        await tracing.close(shutdown.last_spans_s)

    def _watch_for_stop(self) -> None:
        settings = self._settings
        self._stop.watch_signals(self._on_hangup, ignore_sigterm=settings.await_explicit_shutdown)
        if settings.exit_with_stdin:
            ParentProcess(self._reloader.on_line, self._stop.on_parent_exit).watch()

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

    def _find_identity(self) -> Identity:
        from coglet_supervisor.pages.hosted.identity import identity_of

        return identity_of(self._settings, self._schema.document)

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

    def _on_hangup(self) -> None:
        """Read changed certificates; if they are unchanged, replace the workers.

        The certificate is renewed every few weeks, and a model may take minutes to load.
        """
        if self._certificates is None or not self._certificates.reload():
            self._reloader.on_hangup()

    def _use_version(self, document: Document | None, identity: Identity) -> None:
        self._use_schema(document)
        self._model.replace(identity)

    def _use_schema(self, document: Document | None) -> None:
        assert self._service is not None
        self._service.use_schema(document, ignore_unknown=self._settings.unknown_inputs == "ignore")

    def _start_duties(self, service: PredictionService) -> list[asyncio.Task[None]]:
        """Start what runs until the workers have stopped."""
        return [
            self.start_task(self._run_workers(service)),
            self.start_task(self._reloader.run()),
            self.start_task(self._run_periodic_tasks()),
            # A task of its own: the watchdog does not wait for a slow disk.
            self.start_task(self._expire_records()),
        ]

    async def _run_workers(self, service: PredictionService) -> None:
        await self._workers.run(
            lambda: service.stop_waiting("Prediction was not run: no worker could be started")
        )

    async def _run_periodic_tasks(self) -> None:
        await self._workers.wait_ready()
        self._notifier.notify("READY=1")
        self.start_task(_remove_abandoned())
        self.start_task(_read(self._model))
        self.start_task(self._notify_watchdog())
        while True:
            await asyncio.sleep(_PERIOD_S)
            if os.getpid() == 1 and not self._workers.is_starting_a_process:
                reap_orphans(self._workers.pids)

    async def _notify_watchdog(self) -> None:
        # A task of its own: a disk that does not answer must not look like a server that does not.
        interval_s = watchdog_interval_s(os.environ)
        while interval_s is not None:
            await asyncio.sleep(min(interval_s, _PERIOD_S))
            self._notifier.notify("WATCHDOG=1")

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the server itself: if it fails, the server exits.

        See `ClientTasks` for clients' tasks.
        """
        return self._tasks.create_task(work)


def _listening(settings: Settings) -> tuple[socket.socket, Settings, str | None]:
    """Return the socket of the server, the settings with its address, and the Unix socket that was made."""
    if (passed := passed_socket(os.environ)) is not None:
        return passed, as_passed(settings, passed), None
    return listen_as_set(settings), settings, settings.unix_socket


def _temporary_folder() -> TemporaryFolder:
    try:
        return TemporaryFolder.for_files()
    except NoTemporaryFolder as error:
        raise StartupError(str(error)) from error


async def _read(model: ServedModel) -> None:
    try:
        await asyncio.to_thread(model.read)
    except RuntimeError:
        pass  # no thread is available; the first request tries again
    except Exception:  # the files are the author's; the model serves already
        log.exception("the version of the model could not be read")


async def _remove_abandoned() -> None:
    with contextlib.suppress(RuntimeError):  # no thread is available; the next server tries again
        if removed := await asyncio.to_thread(remove_abandoned):
            log.info("removed %d temporary folders of servers that were killed", len(removed))


def _stop_request(settings: Settings, deadline: EndDeadline) -> StopRequest:
    request = StopRequest(deadline, settings.shutdown_grace_s)
    request.watch_first_signals(ignore_sigterm=settings.await_explicit_shutdown)
    return request


def run_server(settings: Settings, server_log: ServerLog, deadline: EndDeadline) -> None:
    """Run a server until it shuts down, or until the deadline that it sets.

    Raises StartupError if it cannot start.
    """
    server = Server(settings, server_log, deadline)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(server.run())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # uvloop has no build for this interpreter
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
