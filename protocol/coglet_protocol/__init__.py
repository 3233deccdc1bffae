"""What crosses the boundary between supervisor and worker: messages, frames, spill files."""
