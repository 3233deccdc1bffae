"""The supervisor: HTTP, validation, webhooks and the worker processes."""
