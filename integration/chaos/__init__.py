"""Chaos tests: seeded load and faults against a real server, and the invariants that must hold afterwards."""
