"""Traces of predictions with OpenTelemetry; see docs/tracing.md. Only `opening` is imported without them."""
