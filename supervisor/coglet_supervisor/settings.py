"""The supervisor's settings, read once from the environment."""

import ipaddress
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from coglet_supervisor.errors import StartupError
from coglet_supervisor.metric_names import read_names
from coglet_supervisor.printed_text import MAX_LOG_BYTES

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS: Final[dict[str, LogLevel]] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "off": "error",
}
_FLAGS: Final = {
    **dict.fromkeys(("0", "false", "no", "off"), False),
    **dict.fromkeys(("1", "true", "yes", "on"), True),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration of a server. Times are in seconds, sizes in bytes.

    The comment of a field names its environment variable; docs/configuration.md describes them for users.
    `warnings` holds the values that were ignored and why, to be logged once logging is set up.
    """

    predictor_ref: str | None = None
    host: str = "0.0.0.0"
    port: int = 5000
    is_train: bool = False
    upload_url: str | None = None
    await_explicit_shutdown: bool = False
    exit_with_stdin: bool = False
    unix_socket: str | None = None
    unix_mode: int = 0o660
    project_dir: Path = field(default_factory=Path.cwd)

    tls_certfile: str | None = None  # COG_TLS_CERTFILE
    tls_keyfile: str | None = None  # COG_TLS_KEYFILE
    tls_ca_certs: str | None = None  # COG_TLS_CA_CERTS
    worker_python: str = sys.executable  # COG_WORKER_PYTHON
    workers: int = 1  # COG_WORKERS
    worker_environment: str = ""  # COG_WORKER_ENV
    worker_restarts: bool = True  # COG_WORKER_RESTARTS
    worker_max_predictions: int | None = None  # COG_WORKER_MAX_PREDICTIONS
    worker_max_rss_bytes: int | None = None  # COG_WORKER_MAX_RSS_BYTES
    max_connections: int = 4096  # COG_MAX_CONNECTIONS
    send_timeout_s: float | None = 60.0  # COG_SEND_TIMEOUT, 0 for no limit
    max_concurrency: int | None = None  # COG_MAX_CONCURRENCY
    setup_timeout_s: float | None = None  # COG_SETUP_TIMEOUT
    predict_timeout_s: float | None = None  # COG_PREDICT_TIMEOUT
    cancel_grace_s: float | None = 60.0  # COG_CANCEL_GRACE, 0 for no limit
    hang_timeout_s: float | None = 300.0  # COG_HANG_TIMEOUT, 0 for no limit
    shutdown_grace_s: float = 20.0  # COG_SHUTDOWN_GRACE
    max_body_bytes: int = 100 * 1024 * 1024  # COG_MAX_BODY_BYTES
    max_output_bytes: int = 1024 * 1024 * 1024  # COG_MAX_OUTPUT_BYTES
    max_log_bytes: int = MAX_LOG_BYTES  # COG_MAX_LOG_BYTES
    unknown_inputs: Literal["refuse", "ignore"] = "refuse"  # COG_UNKNOWN_INPUTS
    webhook_interval_s: float = 0.5  # COG_THROTTLE_RESPONSE_INTERVAL
    webhook_auth_token: str | None = None  # WEBHOOK_AUTH_TOKEN
    webhook_auth_hosts: tuple[str, ...] = ()  # WEBHOOK_AUTH_HOSTS
    webhook_signing_secret: str | None = None  # WEBHOOK_SIGNING_SECRET
    stream_history: int = 1024  # COG_STREAM_HISTORY_CAPACITY
    queue_size: int = 0  # COG_QUEUE_SIZE
    queue_max_bytes: int = 1024 * 1024 * 1024  # COG_QUEUE_MAX_BYTES
    queue_timeout_s: float | None = None  # COG_QUEUE_TIMEOUT
    records: str = "memory"  # COG_RECORDS
    records_max: int | None = None  # COG_RECORDS_MAX
    records_max_bytes: int | None = None  # COG_RECORDS_MAX_BYTES
    records_ttl_s: float | None = None  # COG_RECORDS_TTL
    records_input_ttl_s: float | None = None  # COG_RECORDS_INPUT_TTL
    max_attempts: int = 1  # COG_MAX_ATTEMPTS
    idempotent_put: Literal["run", "records"] = "run"  # COG_IDEMPOTENT_PUT
    public_url: str | None = None  # COG_PUBLIC_URL
    trusted_proxies: tuple[Network, ...] = ()  # COG_TRUSTED_PROXIES
    model_name: str | None = None  # COG_MODEL_NAME
    files_max: int = 1000  # COG_FILES_MAX
    files_max_bytes: int = 10 * 1024 * 1024 * 1024  # COG_FILES_MAX_BYTES
    files_ttl_s: float = 24 * 3600.0  # COG_FILES_TTL
    inline_files_max_bytes: int = 256 * 1024  # COG_INLINE_FILES_MAX
    openapi_schema: str | None = None  # COG_OPENAPI_SCHEMA
    kubernetes: bool = False  # KUBERNETES_SERVICE_HOST
    api_token: str | None = None  # COG_API_TOKEN
    allowed_hosts: frozenset[str] = frozenset()  # COG_ALLOWED_HOSTS
    traces: Literal["none", "otlp", "console"] = "none"  # OTEL_TRACES_EXPORTER, and endpoints: see _traces
    max_queued_spans: int = 2048  # OTEL_BSP_MAX_QUEUE_SIZE
    ui: bool | None = None  # COG_UI; None: on if the server listens on loopback
    log_level: LogLevel = "info"  # RUST_LOG, COG_LOG_LEVEL
    log_format: LogFormat = "json"  # LOG_FORMAT
    metrics: bool | int = True  # COG_METRICS; a number is a port of its own
    metrics_export: tuple[str, ...] = ()  # COG_METRICS_EXPORT
    warnings: tuple[str, ...] = ()

    @property
    def metrics_host(self) -> str:
        """Where a metrics port listens; a server on a Unix socket does not open one to the network."""
        return self.host if self.unix_socket is None else "127.0.0.1"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: object) -> "Settings":
        """Return the settings of `environment`; `given` holds fields set by the command line or the caller.

        An invalid value is ignored with a warning, as the peer does.
        """
        reader = _Reader(environment)
        values: dict[str, object] = {
            "tls_certfile": environment.get("COG_TLS_CERTFILE") or None,
            "tls_keyfile": environment.get("COG_TLS_KEYFILE") or None,
            "tls_ca_certs": environment.get("COG_TLS_CA_CERTS") or None,
            "worker_python": environment.get("COG_WORKER_PYTHON") or sys.executable,
            "workers": reader.positive_int("COG_WORKERS") or 1,
            "worker_environment": reader.pairs("COG_WORKER_ENV"),
            "worker_restarts": reader.flag("COG_WORKER_RESTARTS", default=True),
            "worker_max_predictions": reader.positive_int("COG_WORKER_MAX_PREDICTIONS"),
            "worker_max_rss_bytes": reader.positive_int("COG_WORKER_MAX_RSS_BYTES"),
            "max_connections": reader.positive_int("COG_MAX_CONNECTIONS") or cls.max_connections,
            "send_timeout_s": reader.seconds("COG_SEND_TIMEOUT", 60.0) or None,
            "max_concurrency": reader.positive_int("COG_MAX_CONCURRENCY"),
            "setup_timeout_s": reader.seconds("COG_SETUP_TIMEOUT") or None,
            "predict_timeout_s": reader.seconds("COG_PREDICT_TIMEOUT") or None,
            "cancel_grace_s": reader.seconds("COG_CANCEL_GRACE", 60.0) or None,
            "hang_timeout_s": reader.seconds("COG_HANG_TIMEOUT", 300.0) or None,
            "shutdown_grace_s": reader.seconds("COG_SHUTDOWN_GRACE", 20.0),
            "max_body_bytes": reader.positive_int("COG_MAX_BODY_BYTES") or cls.max_body_bytes,
            "max_output_bytes": reader.positive_int("COG_MAX_OUTPUT_BYTES") or cls.max_output_bytes,
            "max_log_bytes": reader.positive_int("COG_MAX_LOG_BYTES") or cls.max_log_bytes,
            "unknown_inputs": reader.choice("COG_UNKNOWN_INPUTS", ("refuse", "ignore")),
            "webhook_interval_s": reader.seconds("COG_THROTTLE_RESPONSE_INTERVAL", 0.5),
            "webhook_auth_token": environment.get("WEBHOOK_AUTH_TOKEN") or None,
            "webhook_auth_hosts": _names(environment, "WEBHOOK_AUTH_HOSTS"),
            "webhook_signing_secret": environment.get("WEBHOOK_SIGNING_SECRET") or None,
            "stream_history": reader.count("COG_STREAM_HISTORY_CAPACITY", 1024),
            "queue_size": reader.count("COG_QUEUE_SIZE", 0),
            "queue_max_bytes": reader.positive_int("COG_QUEUE_MAX_BYTES") or cls.queue_max_bytes,
            "queue_timeout_s": reader.seconds("COG_QUEUE_TIMEOUT") or None,
            "records": environment.get("COG_RECORDS") or cls.records,
            "records_max": reader.positive_int("COG_RECORDS_MAX"),
            "records_max_bytes": reader.positive_int("COG_RECORDS_MAX_BYTES"),
            "records_ttl_s": reader.seconds("COG_RECORDS_TTL") or None,
            "records_input_ttl_s": reader.seconds("COG_RECORDS_INPUT_TTL") or None,
            "max_attempts": reader.positive_int("COG_MAX_ATTEMPTS") or cls.max_attempts,
            "idempotent_put": reader.choice("COG_IDEMPOTENT_PUT", ("run", "records")),
            "public_url": (environment.get("COG_PUBLIC_URL") or "").rstrip("/") or None,
            "trusted_proxies": reader.networks("COG_TRUSTED_PROXIES"),
            "model_name": environment.get("COG_MODEL_NAME") or None,
            "files_max": reader.positive_int("COG_FILES_MAX") or cls.files_max,
            "files_max_bytes": reader.positive_int("COG_FILES_MAX_BYTES") or cls.files_max_bytes,
            "files_ttl_s": reader.seconds("COG_FILES_TTL") or cls.files_ttl_s,
            "inline_files_max_bytes": reader.count("COG_INLINE_FILES_MAX", 256 * 1024),
            "openapi_schema": environment.get("COG_OPENAPI_SCHEMA") or None,
            "kubernetes": "KUBERNETES_SERVICE_HOST" in environment,
            "api_token": environment.get("COG_API_TOKEN") or None,
            "allowed_hosts": frozenset(_names(environment, "COG_ALLOWED_HOSTS")),
            "traces": _traces(environment, reader),
            "max_queued_spans": reader.positive_int("OTEL_BSP_MAX_QUEUE_SIZE") or cls.max_queued_spans,
            "ui": reader.flag("COG_UI", default=None),
            "log_level": _log_level(environment),
            "metrics": reader.flag_or_port("COG_METRICS", default=True),
            "metrics_export": reader.exported_metrics("COG_METRICS_EXPORT"),
            "log_format": "console" if environment.get("LOG_FORMAT") == "console" else "json",
        }
        given = {name: value for name, value in given.items() if value is not None}
        return cls(**{**values, **given, "warnings": tuple(reader.warnings)})  # type: ignore[arg-type]

    def environment_of_worker(self, index: int) -> dict[str, str]:
        """Return the additional variables of worker `index`, from whitespace-separated `NAME=value` pairs.

        `{index}` in a value is replaced by the number, so that each worker can have its own GPU.
        """
        pairs = (pair.partition("=") for pair in shlex.split(self.worker_environment))
        return {name: value.replace("{index}", str(index)) for name, _, value in pairs}


def port_from(environment: Mapping[str, str]) -> int:
    """Return the port in `PORT`, 5000 by default. Raises StartupError if it is not a port number."""
    text = environment.get("PORT") or "5000"
    if not is_port(text):
        raise StartupError(f"PORT is {text!r}, but must be a number from 0 to 65535")
    return int(text)


def is_port(text: str) -> bool:
    """True if `text` is a number from 0 to 65535."""
    return text.isdecimal() and len(text) <= 5 and int(text) <= 65535


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the comma- or whitespace-separated host names of a variable, in lower case."""
    return tuple(environment.get(name, "").lower().replace(",", " ").split())


def _log_level(environment: Mapping[str, str]) -> LogLevel:
    """Return the log level.

    `RUST_LOG` takes precedence; of its filter list, the directive without a target counts.
    """
    for directive in environment.get("RUST_LOG", "").lower().split(","):
        if directive.strip() in _LEVELS:
            return _LEVELS[directive.strip()]
    return _LEVELS.get(environment.get("COG_LOG_LEVEL", "").lower(), "info")


def _traces(environment: Mapping[str, str], reader: "_Reader") -> str:
    """Return where spans go: nowhere unless an exporter or an endpoint is set. The library reads the rest."""
    if reader.flag("OTEL_SDK_DISABLED", default=False):
        return "none"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    default = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    exporter = reader.choice("OTEL_TRACES_EXPORTER", (default, "otlp", "console", "none"))
    if exporter == "otlp":
        for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
            reader.choice(name, ("http/protobuf",))
    return exporter


class _Reader:
    """Reads typed values and collects a warning for each value that it ignores."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.warnings: list[str] = []

    def positive_int(self, name: str) -> int | None:
        text = self._environment.get(name)
        if not text:
            return None
        if text.strip().isdecimal() and int(text) > 0:
            return int(text)
        self._ignore(name, text, "a whole number of at least 1")
        return None

    def pairs(self, name: str) -> str:
        text = self._environment.get(name, "")
        try:
            shlex.split(text)
        except ValueError:  # a quotation mark without its end
            self._ignore(name, text, "NAME=value pairs, quoted as in a shell")
            return ""
        return text

    def count(self, name: str, default: int) -> int:
        text = self._environment.get(name)
        if not text:
            return default
        if text.strip().isdecimal():
            return int(text)
        self._ignore(name, text, "a whole number")
        return default

    def seconds(self, name: str, default: float = 0.0) -> float:
        text = self._environment.get(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 <= value < float("inf"):
            return value
        self._ignore(name, text, "a number of seconds")
        return default

    def flag(self, name: str, *, default: bool | None) -> bool | None:
        text = self._environment.get(name, "").strip().lower()
        if text and text not in _FLAGS:
            self._ignore(name, text, "0 or 1")
        return _FLAGS.get(text, default)

    def flag_or_port(self, name: str, *, default: bool) -> bool | int:
        text = self._environment.get(name, "").strip().lower()
        if text in _FLAGS:
            return _FLAGS[text]
        if is_port(text):
            return int(text)
        if text:
            self._ignore(name, text, "on, off or the number of a port")
        return default

    def exported_metrics(self, name: str) -> tuple[str, ...]:
        """Return the names that can be exported, with a warning for each of the others."""
        names, problems = read_names(self._environment.get(name, ""))
        self.warnings += [f"{name}: {problem}; it is ignored" for problem in problems]
        return names

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return the value, which must be one of `choices`; the first is the default."""
        text = self._environment.get(name) or choices[0]
        if text in choices:
            return text
        self._ignore(name, text, " or ".join(dict.fromkeys(choices)))
        return choices[0]

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return the networks and addresses of a list; if one of them is neither, none."""
        text = self._environment.get(name, "")
        try:
            return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())
        except ValueError:
            self._ignore(name, text, "a list of addresses and networks")
            return ()

    def _ignore(self, name: str, text: str, wanted: str) -> None:
        self.warnings.append(f"{name} is {text!r}, which is not {wanted}; it is ignored")
