"""Returns a file of 32 MiB, written once, so that the transfer is measured and not the disk."""

from cog import BasePredictor, Path


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.file = Path("output.bin").resolve()
        self.file.write_bytes(bytes(range(256)) * (32 * 1024 * 4))

    def predict(self) -> Path:
        return Path(self.file)
