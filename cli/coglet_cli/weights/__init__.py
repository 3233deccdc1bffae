"""Managed weights: large files listed in `cog.yaml` and stored in a registry instead of the image."""
