"""Worker processes: start, supervision, restart and shutdown."""
