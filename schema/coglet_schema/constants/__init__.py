"""Evaluation of constant expressions, without running the source."""
