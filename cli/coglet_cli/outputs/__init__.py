"""Outputs of a prediction: printing, and writing of files."""
