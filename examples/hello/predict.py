"""The smallest model: text in, text out."""

from cog import BaseRunner, Input


class Runner(BaseRunner):
    def run(self, name: str = Input(description="Who is greeted", max_length=100)) -> str:
        return f"Hello, {name}!"
