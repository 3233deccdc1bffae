"""Random mutations of bytes, by a seeded generator."""

import random
from collections.abc import Callable, Sequence
from typing import Final

Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]

_MAX_CHANGES: Final = 4


def _flip(rng: random.Random, data: bytearray, _tokens: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _insert(rng: random.Random, data: bytearray, tokens: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice([*tokens, rng.randbytes(rng.randint(1, 20))])


def _delete(rng: random.Random, data: bytearray, _tokens: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.randint(1, 30)]


def _repeat(rng: random.Random, data: bytearray, _tokens: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = data[at : at + rng.randint(1, 60)] * rng.choice([1, 2, 50])


def _cut(rng: random.Random, data: bytearray, _tokens: Sequence[bytes]) -> None:
    del data[rng.randint(0, len(data)) :]


_CHANGES: Final[Sequence[Change]] = (_flip, _insert, _insert, _delete, _repeat, _cut)


def mutated(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Return the data with a few random changes; sometimes with none."""
    changed = bytearray(data)
    for _ in range(rng.randint(0, _MAX_CHANGES)):
        rng.choice(_CHANGES)(rng, changed, tokens)
    return bytes(changed)


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """Return the data cut at random places; often not at all."""
    if rng.random() < 0.5 or len(data) < 2:
        return [data]
    cuts = sorted(rng.randrange(1, len(data)) for _ in range(rng.randint(1, 5)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
