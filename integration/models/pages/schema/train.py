from cog import Path


def train(steps: int) -> Path: ...
