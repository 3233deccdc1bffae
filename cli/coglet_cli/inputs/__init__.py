"""Inputs on the command line: read, coerced by the model's schema, refused when they do not fit it."""
