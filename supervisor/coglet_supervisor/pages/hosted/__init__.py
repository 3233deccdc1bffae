"""The hosted API under /v1, which the official clients speak (docs/hosted-api.md)."""
