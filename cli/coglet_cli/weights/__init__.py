"""Managed weights: large files that `cog.yaml` names, that images leave out, and that a registry keeps."""
