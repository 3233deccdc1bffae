"""Records how each prediction ended: according to the response to its client, and to its webhook."""

import re
import threading
from collections import Counter, defaultdict
from typing import Final

from testing.receiver import HANG_UP, Answering, Received, Reply

_STATUS: Final = re.compile(rb'"status":"(succeeded|failed|canceled)"')
_NO_STATUS: Final = "(not seen)"  # in a body that the receiver kept only in part


class Ledger:
    """Records ends. Thread-safe: clients and the receiver write from their own threads."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.answers: dict[str, str] = {}
        self.ends: dict[str, list[str]] = defaultdict(list)
        self.statuses: Counter[int] = Counter()
        self.unexpected: list[str] = []
        self._lock = threading.Lock()

    def asked(self, prediction_id: str, status: int, end: str | None = None) -> None:
        """Record the response to a client; `end` is the terminal status in it."""
        with self._lock:
            self.statuses[status] += 1
            if status in {200, 202}:
                self.accepted.add(prediction_id)
            elif status in {409, 503}:
                self.refused.add(prediction_id)
            else:
                self.unexpected.append(f"{prediction_id}: status {status}")
            if end is not None:
                self.answers[prediction_id] = end

    def receiving(self, trouble: "Trouble") -> Answering:
        """Return the answering function of the webhook receiver. Only accepted webhooks are recorded."""

        def answer(received: Received) -> Reply:
            reply = trouble.reply()
            if reply.status == 200:
                found = _STATUS.findall(received.body[:2000] + received.body[-2000:])
                with self._lock:
                    end = found[-1].decode() if found else _NO_STATUS
                    self.ends[received.path.lstrip("/")].append(end)
            return reply

        return answer

    @property
    def missing(self) -> set[str]:
        """Accepted predictions whose terminal webhook has not arrived yet."""
        with self._lock:
            return self.accepted - self.ends.keys()

    def faults(self) -> list[str]:
        """Return every violation: an accepted prediction must end exactly once, a refused one never."""
        with self._lock:
            found = list(self.unexpected)
            found += [f"{name}: accepted, and no end" for name in self.accepted - self.ends.keys()]
            found += [f"{name}: refused, and ended" for name in self.refused & self.ends.keys()]
            for name, ends in self.ends.items():
                if len(ends) > 1:
                    found.append(f"{name}: ended {len(ends)} times: {ends}")
                if name in self.answers and _NO_STATUS not in ends and self.answers[name] not in ends:
                    found.append(f"{name}: response says {self.answers[name]}, webhook says {ends}")
            return found

    def summary(self) -> str:
        """Return counts of responses and ends, for the test's output."""
        ends = Counter(ends[0] for ends in self.ends.values())
        return f"answers {dict(self.statuses)}, ends {dict(ends)}"


class Trouble:
    """The current behavior of the webhook receiver."""

    def __init__(self) -> None:
        self.current = Reply()

    def reply(self) -> Reply:
        return self.current

    def begin(self, *, hang_up: bool) -> None:
        """From now on the receiver rejects every webhook."""
        self.current = HANG_UP if hang_up else Reply(503)

    def end(self) -> None:
        """The receiver works again."""
        self.current = Reply()
