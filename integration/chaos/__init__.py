"""A server under load and under attack for a while, by a seed, and what must hold afterwards."""
