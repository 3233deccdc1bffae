"""Prediction ids."""

import itertools
import os
import time

MAX_ID_CHARS = 255

_count = itertools.count()
_entropy = os.urandom(4).hex()


def new_prediction_id() -> str:
    """Return a new id: `pred_` and hexadecimal digits: the time, a random number per process, a counter."""
    return f"pred_{time.time_ns():x}{_entropy}{next(_count):x}"
