"""A model server as its client sees it: its address, its log, its readiness, and HTTP to it."""
