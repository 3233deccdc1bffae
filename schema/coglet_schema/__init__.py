"""OpenAPI documents from the source text of a model, without importing it."""
