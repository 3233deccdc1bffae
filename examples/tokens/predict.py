"""Text that arrives word by word, several texts at once."""

import asyncio

from cog import AsyncConcatenateIterator, BasePredictor, Input, concurrent, streaming


class Predictor(BasePredictor):
    @streaming
    @concurrent(max=4)
    async def predict(
        self,
        prompt: str = Input(description="Text that comes back in reverse order of its words"),
        delay: float = Input(description="Seconds between two words", ge=0, le=10, default=0.1),
    ) -> AsyncConcatenateIterator[str]:
        """Stands in for a language model: what is typed comes back, the last word first."""
        for word in reversed(prompt.split()):
            yield f"{word} "
            await asyncio.sleep(delay)
