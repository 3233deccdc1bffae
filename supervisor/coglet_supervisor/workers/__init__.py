"""Worker processes: start, supervision, restart and end."""
