"""Side-by-side benchmark of this server and the peer; `scripts/bench` runs it."""
