"""Every environment variable: its default, accepted values, and values ignored with a warning."""

import ipaddress
import sys
from typing import Any

import pytest

from coglet_supervisor.errors import StartupError
from coglet_supervisor.settings import Settings, port_from

VARIABLES: list[tuple[str, str, object, dict[str, Any], list[str]]] = [
    ("COG_WORKER_PYTHON", "worker_python", sys.executable, {"/usr/bin/python3": "/usr/bin/python3"}, []),
    ("COG_TLS_CERTFILE", "tls_certfile", None, {"a.pem": "a.pem"}, []),
    ("COG_TLS_KEYFILE", "tls_keyfile", None, {"a.key": "a.key"}, []),
    ("COG_TLS_CA_CERTS", "tls_ca_certs", None, {"ca.pem": "ca.pem"}, []),
    ("COG_WORKERS", "workers", 1, {"3": 3}, ["0", "-1", "two", "1.5"]),
    ("COG_WORKER_ENV", "worker_environment", "", {"A=1": "A=1"}, ["A='x"]),
    ("COG_WORKER_RESTARTS", "worker_restarts", True, {"0": False, "No": False, "on": True}, ["2", "maybe"]),
    ("COG_WORKER_MAX_PREDICTIONS", "worker_max_predictions", None, {"100": 100}, ["0", "x"]),
    ("COG_WORKER_MAX_RSS_BYTES", "worker_max_rss_bytes", None, {"1024": 1024}, ["0", "1GB"]),
    ("COG_MAX_CONNECTIONS", "max_connections", 4096, {"5": 5}, ["0", "x"]),
    ("COG_SEND_TIMEOUT", "send_timeout_s", 60.0, {"2": 2.0, "0": None}, ["-1", "x"]),
    ("COG_MAX_CONCURRENCY", "max_concurrency", None, {"4": 4, " 4 ": 4}, ["0", "-4", "x"]),
    ("COG_SETUP_TIMEOUT", "setup_timeout_s", None, {"1.5": 1.5, "0": None}, ["-1", "x", "inf", "nan"]),
    ("COG_PREDICT_TIMEOUT", "predict_timeout_s", None, {"2": 2.0, "0": None}, ["-1", "x", "inf"]),
    ("COG_CANCEL_GRACE", "cancel_grace_s", 60.0, {"2": 2.0, "0": None}, ["-1", "x"]),
    ("COG_HANG_TIMEOUT", "hang_timeout_s", 300.0, {"2": 2.0, "0": None}, ["-1", "x"]),
    ("COG_SHUTDOWN_GRACE", "shutdown_grace_s", 20.0, {"2": 2.0, "0": 0.0}, ["-1", "x", "nan"]),
    ("COG_MAX_BODY_BYTES", "max_body_bytes", 104_857_600, {"10": 10}, ["0", "x"]),
    ("COG_MAX_OUTPUT_BYTES", "max_output_bytes", 1_073_741_824, {"10": 10}, ["0", "x"]),
    ("COG_MAX_LOG_BYTES", "max_log_bytes", 67_108_864, {"10": 10}, ["0", "x"]),
    ("COG_UNKNOWN_INPUTS", "unknown_inputs", "refuse", {"ignore": "ignore", "refuse": "refuse"}, ["drop"]),
    ("COG_THROTTLE_RESPONSE_INTERVAL", "webhook_interval_s", 0.5, {"2": 2.0, "0": 0.0}, ["-1", "x"]),
    ("WEBHOOK_AUTH_TOKEN", "webhook_auth_token", None, {"secret": "secret"}, []),
    ("WEBHOOK_AUTH_HOSTS", "webhook_auth_hosts", (), {"a.com, *.B.com": ("a.com", "*.b.com")}, []),
    ("WEBHOOK_SIGNING_SECRET", "webhook_signing_secret", None, {"whsec_x": "whsec_x"}, []),
    ("COG_STREAM_HISTORY_CAPACITY", "stream_history", 1024, {"0": 0, "5": 5}, ["-1", "x"]),
    ("COG_QUEUE_SIZE", "queue_size", 0, {"0": 0, "5": 5}, ["-1", "x"]),
    ("COG_QUEUE_MAX_BYTES", "queue_max_bytes", 1_073_741_824, {"10": 10}, ["0", "x"]),
    ("COG_QUEUE_TIMEOUT", "queue_timeout_s", None, {"2": 2.0, "0": None}, ["-1", "x"]),
    ("COG_RECORDS", "records", "memory", {"off": "off", "sqlite:a.db": "sqlite:a.db"}, []),
    ("COG_RECORDS_MAX", "records_max", None, {"5": 5}, ["0", "x"]),
    ("COG_RECORDS_MAX_BYTES", "records_max_bytes", None, {"5": 5}, ["0", "x"]),
    ("COG_RECORDS_TTL", "records_ttl_s", None, {"1.5": 1.5}, ["-1", "x"]),
    ("COG_RECORDS_INPUT_TTL", "records_input_ttl_s", None, {"1.5": 1.5}, ["-1", "x"]),
    ("COG_MAX_ATTEMPTS", "max_attempts", 1, {"3": 3}, ["0", "x"]),
    ("COG_IDEMPOTENT_PUT", "idempotent_put", "run", {"records": "records", "run": "run"}, ["never"]),
    ("COG_PUBLIC_URL", "public_url", None, {"https://a.test/": "https://a.test"}, []),
    (
        "COG_TRUSTED_PROXIES",
        "trusted_proxies",
        (),
        {"10.0.0.1, fd00::/8": (ipaddress.ip_network("10.0.0.1"), ipaddress.ip_network("fd00::/8"))},
        ["x", "10.0.0.1/8", "10.0.0.1 proxy.test"],
    ),
    ("COG_MODEL_NAME", "model_name", None, {"me/model": "me/model"}, []),
    ("COG_FILES_MAX", "files_max", 1000, {"5": 5}, ["0", "x"]),
    ("COG_FILES_MAX_BYTES", "files_max_bytes", 10_737_418_240, {"5": 5}, ["0", "x"]),
    ("COG_FILES_TTL", "files_ttl_s", 86_400.0, {"1.5": 1.5}, ["-1", "x"]),
    ("COG_INLINE_FILES_MAX", "inline_files_max_bytes", 262_144, {"0": 0, "5": 5}, ["-1", "x"]),
    (
        "COG_METRICS",
        "metrics",
        True,
        {"off": False, "on": True, "0": False, "9100": 9100},
        ["x", "65536", "-1"],
    ),
    ("COG_METRICS_EXPORT", "metrics_export", (), {"a, b.c": ("a", "b.c")}, []),
    ("COG_OPENAPI_SCHEMA", "openapi_schema", None, {"{}": "{}"}, []),
    ("COG_API_TOKEN", "api_token", None, {"secret": "secret"}, []),
    ("COG_ALLOWED_HOSTS", "allowed_hosts", frozenset(), {"a.com, b.com": frozenset({"a.com", "b.com"})}, []),
    (
        "OTEL_TRACES_EXPORTER",
        "traces",
        "none",
        {"otlp": "otlp", "console": "console", "none": "none"},
        ["zipkin", "otlp,console"],
    ),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "max_queued_spans", 2048, {"5": 5}, ["0", "x"]),
    ("COG_UI", "ui", None, {"on": True, "off": False}, ["maybe"]),
    ("COG_LOG_LEVEL", "log_level", "info", {"DEBUG": "debug", "warn": "warning", "loud": "info"}, []),
    ("LOG_FORMAT", "log_format", "json", {"console": "console", "xml": "json"}, []),
]
IDS = [row[0] for row in VARIABLES]


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.mark.parametrize(("name", "field", "default", "good", "bad"), VARIABLES, ids=IDS)
def test_a_variable(name: str, field: str, default: object, good: dict[str, object], bad: list[str]) -> None:
    assert getattr(read(), field) == default
    assert getattr(read(**{name: ""}), field) == default
    for text, value in good.items():
        settings = read(**{name: text})
        assert (getattr(settings, field), settings.warnings) == (value, ())
    for text in bad:
        settings = read(**{name: text})
        assert getattr(settings, field) == default
        (warning,) = settings.warnings
        assert warning.startswith(f"{name} is {text!r}, which is not ")


def test_every_variable_of_the_settings_is_tested() -> None:
    elsewhere = {"predictor_ref", "host", "port", "is_train", "upload_url", "await_explicit_shutdown"}
    elsewhere |= {"exit_with_stdin", "unix_socket", "unix_mode", "project_dir", "kubernetes", "warnings"}
    assert set(Settings.__dataclass_fields__) - elsewhere == {row[1] for row in VARIABLES}


def test_what_a_caller_does_not_give_comes_from_the_environment() -> None:
    environment = {"COG_TLS_CERTFILE": "a.pem"}
    assert Settings.from_environment(environment, tls_certfile=None).tls_certfile == "a.pem"
    assert Settings.from_environment(environment, tls_certfile="b.pem").tls_certfile == "b.pem"


def test_the_defaults_have_no_warnings() -> None:
    assert read().warnings == ()


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_turns_traces_on(name: str) -> None:
    url = "http://localhost:4318"
    assert read(**{name: url}).traces == "otlp"
    assert read(**{name: url, "OTEL_TRACES_EXPORTER": "console"}).traces == "console"
    assert read(**{name: url, "OTEL_TRACES_EXPORTER": "none"}).traces == "none"
    assert read(**{name: url, "OTEL_SDK_DISABLED": "true"}).traces == "none"


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_a_protocol_of_traces_that_is_not_supported(name: str) -> None:
    assert read(OTEL_TRACES_EXPORTER="otlp", **{name: "http/protobuf"}).warnings == ()
    (warning,) = read(OTEL_TRACES_EXPORTER="otlp", **{name: "grpc"}).warnings
    assert warning == f"{name} is 'grpc', which is not http/protobuf; it is ignored"


def test_kubernetes_is_detected_by_its_variable() -> None:
    assert not read().kubernetes
    assert read(KUBERNETES_SERVICE_HOST="").kubernetes


@pytest.mark.parametrize(
    ("rust_log", "level"),
    [
        ("debug", "debug"),
        ("WARN", "warning"),
        ("off", "error"),
        ("trace", "debug"),
        ("hyper=trace,info", "info"),
        ("hyper=trace", "error"),  # has no directive without a target, so COG_LOG_LEVEL applies
        ("", "error"),
    ],
)
def test_rust_log_takes_precedence(rust_log: str, level: str) -> None:
    assert read(RUST_LOG=rust_log, COG_LOG_LEVEL="error").log_level == level


def test_the_command_line_takes_precedence() -> None:
    settings = Settings.from_environment({"COG_WORKERS": "2"}, workers=5, host="::1")
    assert (settings.workers, settings.host) == (5, "::1")


def test_the_environment_of_a_worker() -> None:
    settings = read(COG_WORKER_ENV="CUDA_VISIBLE_DEVICES={index} NAME='two words' EMPTY=")
    assert settings.environment_of_worker(1) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "NAME": "two words",
        "EMPTY": "",
    }
    assert read().environment_of_worker(0) == {}


@pytest.mark.parametrize(("text", "port"), [("8080", 8080), ("0", 0), ("65535", 65535), ("", 5000)])
def test_a_port(text: str, port: int) -> None:
    assert port_from({"PORT": text}) == port
    assert port_from({}) == 5000


@pytest.mark.parametrize("text", ["65536", "-1", "http", "80.5"])
def test_an_invalid_port(text: str) -> None:
    with pytest.raises(StartupError, match=f"PORT is '{text}', but must be a number from 0 to 65535"):
        port_from({"PORT": text})


def test_settings_are_frozen() -> None:
    settings: Any = read()
    with pytest.raises(AttributeError):
        settings.workers = 2
