"""Predictions, from the validation of the input to the terminal state."""
