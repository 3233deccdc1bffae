"""Ids of predictions."""

import itertools
import os
import time

MAX_ID_CHARS = 255

_count = itertools.count()
_entropy = os.urandom(4).hex()


def new_prediction_id() -> str:
    """`pred_` and hexadecimal digits: time, then what makes it unique in this process and among others."""
    return f"pred_{time.time_ns():x}{_entropy}{next(_count):x}"
