"""The entry point of the image, `python -m cog.server.http`."""
