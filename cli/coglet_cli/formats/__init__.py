"""Formats of text and data: JSON, JSON Schema, data URLs, OpenAPI documents, text files."""
