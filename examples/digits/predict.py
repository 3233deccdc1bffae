"""Reads a handwritten digit: scikit-learn, trained in `setup` on the data set that comes with it."""

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from cog import BaseModel, BasePredictor, Input, Path

# The other 297 digits of the data set are there to measure how well it reads; six.png is one of them.
TRAINING_DIGITS = 1500


class Reading(BaseModel):
    digit: int
    probabilities: list[float]


class Predictor(BasePredictor):
    def setup(self) -> None:
        """Runs once, before the first prediction."""
        pixels, digits = load_digits(return_X_y=True)
        self.classifier = KNeighborsClassifier(n_neighbors=5, weights="distance")
        self.classifier.fit(pixels[:TRAINING_DIGITS], digits[:TRAINING_DIGITS])
        score = self.classifier.score(pixels[TRAINING_DIGITS:], digits[TRAINING_DIGITS:])
        print(f"trained on {TRAINING_DIGITS} digits, reads {score:.0%} of the others")

    def predict(
        self, image: Path = Input(description="One digit, dark on light, from edge to edge", accept="image/*")
    ) -> Reading:
        """Runs for every prediction."""
        with Image.open(image) as picture:
            probabilities = self.classifier.predict_proba([_as_in_data_set(picture)])[0]
        return Reading(
            digit=int(probabilities.argmax()), probabilities=[round(float(p), 3) for p in probabilities]
        )


def _as_in_data_set(picture: Image.Image) -> np.ndarray:
    """8 x 8 pixels from 0 (paper) to 16 (ink), row by row."""
    ink = ImageOps.invert(ImageOps.autocontrast(picture.convert("L")))
    return np.asarray(ink.resize((8, 8), Image.Resampling.BOX)).flatten() / 255 * 16
