"""Commands that run a model in a container."""
