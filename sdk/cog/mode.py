"""Mode of a server: prediction or training."""

from enum import Enum


class Mode(str, Enum):
    """`predict` or `train`, as in `--x-mode`."""

    PREDICT = "predict"
    TRAIN = "train"
