"""An image in, an image out."""

from tempfile import TemporaryDirectory

from PIL import Image

from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def setup(self) -> None:
        """Runs once, before the first prediction."""
        self.folder = TemporaryDirectory()

    def predict(
        self,
        image: Path = Input(description="Picture to resize", accept="image/*"),
        width: int = Input(description="Width of the result in pixels", ge=1, le=4096, default=320),
    ) -> Path:
        """Runs for every prediction. The picture keeps its proportions."""
        with Image.open(image) as picture:
            height = max(1, round(picture.height * width / picture.width))
            resized = picture.convert("RGB").resize((width, height))
        # The next prediction may write here again: the server has a copy of its own by then.
        output = Path(self.folder.name, "resized.png")
        resized.save(output)
        return output
