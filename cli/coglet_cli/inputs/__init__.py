"""Inputs on the command line: parsing, coercion by the model's schema, and validation."""
