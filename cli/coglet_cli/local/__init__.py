"""Commands on a model that runs on this machine, without a container."""
