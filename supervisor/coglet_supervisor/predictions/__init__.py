"""The life of predictions: from the check of an input to the terminal state."""
