"""Outputs of a prediction: where files go, and what is printed."""
