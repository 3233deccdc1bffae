"""The Python entry point of the server."""

import functools
import logging
import os
import platform
import sys
from typing import Final

from coglet_protocol.standard_streams import fill_standard_streams
from coglet_supervisor.end_deadline import EndDeadline, exit_overdue
from coglet_supervisor.errors import StartupError
from coglet_supervisor.server import run_server
from coglet_supervisor.server_log import open_server_log
from coglet_supervisor.settings import Settings
from coglet_supervisor.versions import versions

log = logging.getLogger(__name__)

_LAST_LOG_S: Final = 2.0


def serve(
    ref: str | None,
    *,
    host: str = "0.0.0.0",
    port: int = 5000,
    await_explicit_shutdown: bool = False,
    is_train: bool = False,
    upload_url: str | None = None,
    exit_with_stdin: bool = False,
    unix_socket: str | None = None,
    unix_mode: int | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    ca_certs: str | None = None,
) -> int:
    """Serve the model `ref` (`file.py:Name`) until asked to stop, and return the exit code.

    Without a model, the server answers health checks only. All other settings come from the environment
    (docs/configuration.md).
    """
    fill_standard_streams()
    settings = Settings.from_environment(
        os.environ,
        predictor_ref=ref,
        host=host,
        port=port,
        await_explicit_shutdown=await_explicit_shutdown,
        is_train=is_train,
        upload_url=upload_url,
        exit_with_stdin=exit_with_stdin,
        unix_socket=unix_socket,
        unix_mode=unix_mode,
        tls_certfile=certfile,
        tls_keyfile=keyfile,
        tls_ca_certs=ca_certs,
    )
    descriptor = _log_descriptor()
    color = os.isatty(descriptor)
    server_log = open_server_log(descriptor, settings.log_format, settings.log_level, color=color)
    release = versions()
    log.info("coglet %s, python %s", release.coglet, platform.python_version())
    for warning in settings.warnings:
        log.warning("%s", warning)
    deadline = EndDeadline(functools.partial(exit_overdue, server_log))
    try:
        run_server(settings, server_log, deadline)
    except StartupError as error:
        log.error("%s", error)
        return 1
    finally:
        server_log.drain(min(_LAST_LOG_S, deadline.left_s / 2))  # a slow reader must not force the exit
        deadline.cancel()
    return 0


def _log_descriptor() -> int:
    """Return the descriptor of stderr, or of /dev/null if stderr was closed.

    Then descriptor 2 may be a file that the caller of `serve` has opened since.
    """
    if sys.__stderr__ is None or sys.__stderr__.closed:
        return os.open(os.devnull, os.O_WRONLY)
    return sys.__stderr__.fileno()
