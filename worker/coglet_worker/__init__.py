"""The worker: one process in which one model runs."""
