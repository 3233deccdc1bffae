"""The parts of a server that serve clients, and how they are connected."""

from __future__ import annotations

import functools
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.health_reporter import HealthReporter
from coglet_supervisor.http.access import Access, is_loopback
from coglet_supervisor.http.app import App
from coglet_supervisor.http.predictions import PredictionRoutes
from coglet_supervisor.http.public_url import PublicUrl
from coglet_supervisor.http.records import RecordRoutes
from coglet_supervisor.kept_files import KeptFiles
from coglet_supervisor.metrics.machine import Machine
from coglet_supervisor.monitoring import Monitoring
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.outgoing.upload_target import guard_of_uploads
from coglet_supervisor.pages.app import LazyPages
from coglet_supervisor.pages.hosted.parts import HostedParts
from coglet_supervisor.pages.hosted.served_model import ServedModel
from coglet_supervisor.pages.ui.files import open_paths
from coglet_supervisor.predictions.file_store import file_store
from coglet_supervisor.predictions.hosted_inputs import files_in
from coglet_supervisor.predictions.hosted_outputs import hosted_stores
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.records.store import Store
from coglet_supervisor.reloader import Reloader
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.server_reporter import ServerReporter
from coglet_supervisor.settings import Settings
from coglet_supervisor.stop_request import StopRequest
from coglet_supervisor.tracing.opening import Untraced
from coglet_supervisor.webhooks.authentication import Authentication
from coglet_supervisor.webhooks.delivery import Webhooks
from coglet_supervisor.workers.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from coglet_supervisor.tracing.traced import Traced


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a server has from its start, and the parts that it makes with it once the workers load the model.

    `folder` is the temporary folder of the server.
    """

    settings: Settings
    server_log: ServerLog
    authentication: Authentication
    folder: Path
    files: KeptFiles
    pool: SlotPool
    workers: WorkerSupervisor
    store: Store
    clients: ClientTasks
    stop: StopRequest
    reloader: Reloader
    model: ServedModel

    def make_clients(self, tracing: Traced | Untraced) -> tuple[Outgoing, Outgoing]:
        """Return the HTTP clients for webhooks and for uploads."""
        guard = UrlGuard.from_environment(os.environ)
        uploading = tracing.outgoing(guard_of_uploads(guard, self.settings.upload_url), "upload")
        return tracing.outgoing(guard, "webhook"), uploading

    def make_webhooks(self, outgoing: Outgoing) -> Webhooks:
        """Return what delivers webhooks."""
        return Webhooks(
            outgoing,
            self.clients.start,
            interval_s=self.settings.webhook_interval_s,
            authentication=self.authentication,
            on_delivered=self.store.webhook_delivered,
        )

    def make_service(
        self, uploading: Outgoing, tracing: Traced | Untraced, monitoring: Monitoring
    ) -> PredictionService:
        """Return the table of predictions."""
        settings = self.settings
        store = tracing.store(file_store(settings.upload_url, settings.max_output_bytes, uploading))
        resources = RunResources(
            folder=self.folder,
            store=store,
            hosted_store=hosted_stores(settings, self.files, store),
            input_files=functools.partial(files_in, self.files),
            recorder=self.store,
            numbers=itertools.count(self.store.last_sequence + 1),
            start_task=self.clients.start,
            echo=self.server_log.echo,
            tracer=tracing.runs,
            max_output_bytes=settings.max_output_bytes,
            max_log_bytes=settings.max_log_bytes,
            stream_history=settings.stream_history,
            timeout_s=settings.predict_timeout_s,
            queue_timeout_s=settings.queue_timeout_s,
            token=settings.api_token,
        )
        return PredictionService(
            self.pool,
            self.server_log,
            resources,
            state=lambda: self.workers.state,
            is_shutting_down=lambda: self.stop.is_made,
            observers=tracing.observers,
            end_observers=monitoring.observers,
        )

    def make_app(
        self, service: PredictionService, webhooks: Webhooks, machine: Machine, monitoring: Monitoring
    ) -> App:
        """Return the application."""
        settings, store, start_task = self.settings, self.store, self.clients.start
        repeats_from = store if settings.idempotent_put == "records" else None
        predictions = PredictionRoutes(service, webhooks, start_task, settings.max_body_bytes, repeats_from)
        records = RecordRoutes(service, store, webhooks, PublicUrl.from_settings(settings), start_task)
        # The browser of a visited page reaches loopback, but no Unix socket.
        on_loopback = settings.unix_socket is None and is_loopback(settings.host)
        has_page = settings.ui if settings.ui is not None else on_loopback
        page_paths = open_paths() if has_page and settings.api_token is not None else frozenset()
        reporter = ServerReporter(
            self.workers, self.pool, self.stop, self.reloader, shows_processes=not self._is_open
        )
        pages = LazyPages(
            service,
            self.stop.make,
            lambda: self._make_hosted(service, webhooks),
            monitoring.route(machine),
            reporter.view(monitoring.history) if has_page else None,
        )
        access = Access(settings.api_token, on_loopback, settings.allowed_hosts, page_paths)
        health = HealthReporter(
            self.workers, self.pool, self.stop, self.reloader, on_kubernetes=settings.kubernetes
        )
        return App(access, predictions, records, health, pages)

    def _make_hosted(self, service: PredictionService, webhooks: Webhooks) -> HostedParts:
        settings = self.settings
        self.model.read()
        return HostedParts(
            service=service,
            store=self.store,
            webhooks=webhooks,
            files=self.files,
            public_url=PublicUrl.from_settings(settings),
            model=self.model,
            signer=self.authentication.signer,
            max_body_bytes=settings.max_body_bytes,
            token=settings.api_token,
            is_open=self._is_open,
        )

    @property
    def _is_open(self) -> bool:
        """True if every client in the network may use the server."""
        settings = self.settings
        is_private = settings.unix_socket is not None or is_loopback(settings.host)
        return not is_private and settings.api_token is None and settings.tls_ca_certs is None
