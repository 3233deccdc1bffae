"""The routes other than predictions and health; they run on Quart."""
