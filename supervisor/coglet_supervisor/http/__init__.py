"""The HTTP API: translates requests into calls of the prediction service, and results into responses.

The routes of predictions and health are plain ASGI (`app`, `predictions`), because their cost is part of
every prediction; everything else is Quart (`pages`).
"""
