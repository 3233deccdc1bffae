"""The routes that are not on the path of a prediction; they run on Quart."""
