"""The client's side of a model server: its address, log, readiness, and HTTP API."""
