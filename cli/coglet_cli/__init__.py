"""The cog command."""
