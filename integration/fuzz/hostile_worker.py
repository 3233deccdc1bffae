"""A worker that sends invalid messages. Run by the interpreter that COG_WORKER_PYTHON names.

Takes `Init` as the protocol has it, then fuzzes its supervisor over both channels, by the seed in FUZZ_SEED
and its own number among the workers of this server.
"""

import contextlib
import json
import os
import random
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final

import msgspec

from coglet_protocol.framing import frame

_TYPES: Final = (
    "log",
    "output",
    "file_output",
    "metric",
    "done",
    "failed",
    "cancelled",
    "predict",
    "nothing",
)
_CONTROL: Final = (
    *(
        "ready",
        "log",
        "worker_log",
        "idle",
        "cancelled",
        "failed",
        "fatal",
        "setup_failed",
        "pong",
        "dropped_logs",
    ),
    *("healthcheck_result", "shutting_down", "init", "nothing"),
)
_PATHS: Final = ("/etc/passwd", "../x", "/proc/self/environ", "/dev/zero", "", "a\0b", "/nowhere/x")


def main() -> None:
    """Follow the protocol for a while, then violate it more and more."""
    rng = random.Random(f"{os.environ['FUZZ_SEED']}-{_number()}")
    init = json.loads(sys.stdin.readline())
    slots = [_connect(init["transport_info"]["dir"], index) for index in range(init["num_slots"])]
    if rng.random() < 0.9:
        _say(
            {
                "type": "ready",
                "slots": [f"s{index}" for index in range(len(slots))],
                "version": init["version"],
            }
        )
    for each in slots:
        threading.Thread(target=_serve, args=(each, random.Random(rng.random())), daemon=True).start()
    for line in sys.stdin.buffer:
        if rng.random() < 0.3:
            _attack_control(rng)
        elif b'"ping"' in line:
            _say({"type": "pong", "id": json.loads(line).get("id", 0)})


def _number() -> int:
    """Return the number of this worker: its shell script adds a byte to the file before anything else."""
    return Path("started").stat().st_size


def _connect(folder: str, index: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.path.join(folder, f"slot-{index}.sock"))
    return sock


def _say(message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _serve(sock: socket.socket, rng: random.Random) -> None:
    """Answer each message with a random one, until the supervisor closes the connection."""
    with contextlib.suppress(OSError):
        _answer_each(sock, rng)


def _answer_each(sock: socket.socket, rng: random.Random) -> None:
    while data := sock.recv(65536):
        known = _prediction_id(data)
        for _ in range(rng.choice([0, 1, 3, 50])):
            sock.sendall(_slot_bytes(rng, known))
        if rng.random() < 0.7:
            sock.sendall(_framed({"type": "done", "id": known, "predict_time": 0.1, "output": b'"x"'}))
        elif rng.random() < 0.3:
            os._exit(rng.choice([0, 1, 77]))


def _prediction_id(data: bytes) -> str:
    try:
        return str(msgspec.msgpack.decode(data[4:])["id"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "unknown"


def _framed(message: dict[str, Any]) -> bytes:
    return frame(msgspec.msgpack.encode(message))


def _slot_bytes(rng: random.Random, known: str) -> bytes:
    match rng.randrange(12):
        case 0:
            return rng.randbytes(rng.randint(1, 200))
        case 1:
            return rng.choice([0, 1, 2**31, 2**32 - 1]).to_bytes(4, "big") + b"x"
        case 2:
            return _framed({"type": "log", "source": "stdout", "data": "x"})[: rng.randint(1, 20)]
        case 3:
            return frame(rng.randbytes(rng.randint(0, 60)))
    return _framed({"type": rng.choice(_TYPES), **_fields(rng, known)})


def _fields(rng: random.Random, known: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": rng.choice([known, known, "other", 1]),
        "source": rng.choice(["stdout", "stderr", "x"]),
        "data": rng.choice(["line\n", "x" * 1000, 1]),
        "output": rng.choice([b"1", b'"x"', b"{", b"", b"NaN", b"[" * 3000, "x"]),
        "index": rng.choice([0, 1, 5, -1, 2**63]),
        "filename": rng.choice(_PATHS),
        "kind": rng.choice(["file_type", "oversized", "x"]),
        "name": rng.choice(["m", "status", "", "a.b", 1]),
        "value": rng.choice([b"1", b"null", b"{", b"1e999"]),
        "mode": rng.choice(["replace", "increment", "append", "x"]),
        "placeholder": rng.choice([None, "x", ""]),
        "predict_time": rng.choice([0.1, -1, "x"]),
        "is_stream": rng.choice([True, False, 1]),
        "error": rng.choice(["failed", "x" * 5000, 1]),
    }
    return {name: value for name, value in values.items() if rng.random() < 0.85}


def _attack_control(rng: random.Random) -> None:
    match rng.randrange(6):
        case 0:
            sys.stdout.buffer.write(rng.randbytes(rng.randint(1, 300)) + b"\n")
        case 1:
            sys.stdout.buffer.write(b"x" * rng.choice([10, 100_000, 3_000_000]))
        case 2:
            sys.stdout.buffer.write(b"\n" * 1000 + b"{}\n" + b"[" * 3000 + b"\n")
        case _:
            message = {"type": rng.choice(_CONTROL), "slot": "s0", "slots": ["s0"], "id": 0, "error": "x"}
            message |= {
                "source": "stdout",
                "data": "x",
                "target": "x",
                "level": "info",
                "message": "x",
                "count": 1,
            }
            sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    with contextlib.suppress(OSError):
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
