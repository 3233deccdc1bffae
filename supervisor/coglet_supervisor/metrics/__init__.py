"""What the server counts, its state at one moment, and the last hour (docs/metrics.md)."""
