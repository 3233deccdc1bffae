"""The folder of a model: where it is, its configuration, and the schema of its source."""
