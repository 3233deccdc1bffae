"""The HTTP API: it translates requests into calls on the prediction service, and back.

The routes of predictions and health are plain ASGI (`app`, `predictions`), because they are on the way of
every prediction; everything else is Quart (`pages`).
"""
