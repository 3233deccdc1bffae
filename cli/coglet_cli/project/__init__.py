"""A model's folder: finding it, its configuration, and the schema of its source."""
