"""Commands on a model that runs in a container."""
