from pathlib import Path as AnyPath

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str = Input(description="What to draw", default="a cat"),
        steps: int = Input(default=10, ge=1, le=100),
        n: int = Input(default=1),
        image: Path | None = Input(description="What to start from", default=None),
    ) -> Path:
        picture = AnyPath(__file__).with_name("cat.png")
        print("drawing", prompt, steps, n, image)
        return Path(picture)
