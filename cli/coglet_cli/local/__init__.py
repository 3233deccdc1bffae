"""Commands that run a model on this machine, without a container."""
