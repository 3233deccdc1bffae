"""Replaces the model while the server runs: at SIGHUP, and when `cog serve --reload` has seen a change."""

import asyncio
import dataclasses
import functools
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from coglet_supervisor.predictions.schema_source import NoSchema, SchemaSource
from coglet_supervisor.settings import Settings
from coglet_supervisor.workers.spec import WorkerSpec, worker_specs
from coglet_supervisor.workers.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from coglet_supervisor.pages.hosted.identity import Identity
    from coglet_supervisor.predictions.validation import Document

log = logging.getLogger(__name__)

# `cog serve` shows the records of this target whatever their level.
_TARGET: Final = {"target": "coglet::reload"}


class Reload(msgspec.Struct, frozen=True, kw_only=True, tag="reload"):
    """The source of the model has changed. `environment` holds all variables of a server started now."""

    predictor_ref: str
    environment: dict[str, str]


class ReloadFailed(msgspec.Struct, frozen=True, kw_only=True, tag="reload_failed"):
    """The source of the model has changed, but cannot be served; `error` says why."""

    error: str


@dataclasses.dataclass(frozen=True)
class _Version:
    """What the workers are started with."""

    settings: Settings
    environment: Mapping[str, str]


class Reloader:
    """Owns which version of the model is wanted, its schema, and the error of the latest reload.

    One reload runs at a time. Requests that arrive meanwhile lead to one more. `use_version` gets the schema
    and the identity of a new version when the first of its workers is ready.
    """

    def __init__(
        self,
        settings: Settings,
        schema: SchemaSource,
        workers: WorkerSupervisor,
        use_version: "Callable[[Document | None, Identity], None]",
    ) -> None:
        self._wanted = _Version(settings, os.environ)
        self._schema = schema  # of the version that serves
        self._workers = workers
        self._use_version = use_version
        self._requests = 0
        self._is_requested = asyncio.Event()
        self._is_urgent = False  # an edit: its author waits for it
        self._error: str | None = None

    @property
    def error(self) -> str | None:
        """Why the latest change of the model is not served; None if it is."""
        return self._error

    def on_hangup(self) -> None:
        """Replace the workers, which then have the code that is on the disk now."""
        log.info("Received SIGHUP, replacing the workers")
        self._request()

    def on_line(self, line: bytes) -> None:
        """Handle a message of `cog serve --reload`, a line of JSON."""
        try:
            # Not with msgspec.json, which refuses variables that are not UTF-8.
            message = msgspec.convert(json.loads(line), Reload | ReloadFailed)
        except ValueError as error:
            self._requests += 1
            self._error = f"the change was not understood: {error}"
            log.error("ignored a line on stdin: %s", error)
            return
        if isinstance(message, ReloadFailed):
            self._requests += 1  # so that a reload that is still running does not overwrite the error
            self._error = message.error
            return
        self._wanted = self._version(message)
        self._is_urgent = True
        self._workers.abandon_reload()
        self._request()

    def _request(self) -> None:
        self._requests += 1
        self._is_requested.set()

    def _version(self, message: Reload) -> _Version:
        first = self._wanted.settings
        new = Settings.from_environment(message.environment)
        changed: dict[str, Any] = {
            "worker_python": new.worker_python,
            "worker_environment": new.worker_environment,
            "max_concurrency": new.max_concurrency,
            "openapi_schema": new.openapi_schema,
        }
        settings = dataclasses.replace(first, predictor_ref=message.predictor_ref, **changed)
        return _Version(settings, message.environment)

    async def run(self) -> None:
        """Reload at each request."""
        while True:
            await self._is_requested.wait()
            # Before the files are read: there may be another edit until the predictions of the version before
            # have ended.
            await self._workers.wait_retired()
            self._is_requested.clear()
            await self._reload()

    async def _reload(self) -> None:
        started, number = time.monotonic(), self._requests
        is_urgent, self._is_urgent = self._is_urgent, False
        try:
            specs = await asyncio.to_thread(self._specs, self._wanted)
            problem = await self._workers.reload(specs, is_urgent=is_urgent)
        except (NoSchema, RuntimeError) as error:  # RuntimeError: no thread is available
            problem = str(error)
        except (
            Exception
        ) as error:  # the files are the author's; whatever they cause, the model of before serves
            log.exception("the files of the model could not be read")
            problem = f"its files could not be read: {type(error).__name__}: {error}"
        if number != self._requests:  # there is a newer version already
            return
        self._error = problem
        if problem is None:
            log.info("Reloaded the model in %.2f s", time.monotonic() - started, extra=_TARGET)
        else:
            log.error("the model was not reloaded: %s", problem.partition("\n")[0], extra=_TARGET)

    def _specs(self, version: _Version) -> list[WorkerSpec]:
        """Return the specs of the workers. Reads files and parses source. Raises NoSchema."""
        # Imported here because the server should start quickly.
        from coglet_supervisor.pages.hosted.identity import identity_of

        schema = SchemaSource(version.settings)
        if self._schema.document is not None:
            schema.require()
        # Before the workers read the source: `cog serve --reload` asks again if it changes in between.
        identity = identity_of(version.settings, schema.document)
        take_over = functools.partial(self._take_over, schema, identity)
        return worker_specs(version.settings, schema, version.environment, take_over)

    def _take_over(self, schema: SchemaSource, identity: "Identity") -> None:
        self._schema = schema
        self._use_version(schema.document, identity)
