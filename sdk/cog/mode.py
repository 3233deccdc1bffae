"""What a server does with its model."""

from enum import Enum


class Mode(str, Enum):
    """`predict` or `train`, as in `--x-mode`."""

    PREDICT = "predict"
    TRAIN = "train"
