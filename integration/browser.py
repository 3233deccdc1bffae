"""A headless Chromium, driven through a pipe: the DevTools protocol, each message terminated by NUL."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from testing.waiting import wait_for

CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
# Chromium expects its ends of the pipes as descriptors 3 and 4.
_WITH_PIPES: Final = (
    sys.executable,
    "-c",
    "import fcntl, os, sys; a, b = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]); "
    "os.dup2(a, 3); os.dup2(b, 4); os.execv(sys.argv[3], sys.argv[3:])",
)


# How DevTools says that an expression has no value because the page is being left.
_REPLACED: Final = re.compile("navigated|context was destroyed|Cannot find (default execution )?context")


class PageError(Exception):
    """The page threw an exception."""


class PageIsReplaced(PageError):
    """The page was left for another one, or loaded again, before the expression had a value."""


class Page:
    """One page. `complaints` are the errors on its console; they include what its policy forbade."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to_browser = to_browser
        self._from_browser = from_browser
        self._unread = b""
        self._count = 0
        self._session: str | None = None
        self._target: str | None = None
        self.complaints: list[str] = []
        self.requested: list[str] = []

    def open(self, url: str) -> None:
        """Opens the address in place of the earlier one; returns when the browser has begun to load it."""
        self._session, earlier = None, self._target
        self._target = self._call("Target.createTarget", url="about:blank")["targetId"]
        if earlier is not None:
            self._call("Target.closeTarget", targetId=earlier)
        attached = self._call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise PageError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def reload(self) -> None:
        """Load the page again; returns when a new document has replaced the old one."""
        self.run("window.isOld = true")
        self._call("Page.reload")
        self.wait("window.isOld === undefined")

    def wait(self, condition: str) -> Any:
        """The first true value of an expression. It may throw, until the elements that it names are there."""
        problem = ""

        def value() -> Any:
            nonlocal problem
            try:
                return self.run(condition)
            except PageError as error:
                problem = f"; {error}"

        try:
            return wait_for(value, f"true {condition}")
        except AssertionError as error:
            text = self.run("document.body?.innerText")
            raise AssertionError(f"{error}{problem}; the page: {text}") from None

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """Press and release a key, with Ctrl held if asked for."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=2 if ctrl else 0)

    def resize(self, width: int, height: int, *, theme: str = "light") -> None:
        """Give the page a size in pixels, and the theme that the user prefers."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        preference = [{"name": "prefers-color-scheme", "value": theme}]
        self._call("Emulation.setEmulatedMedia", features=preference)

    def screenshot(self) -> bytes:
        """Return a picture of what is visible, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if _REPLACED.search(answer.get("error", {}).get("message", "")):
                    raise PageIsReplaced(answer)
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("sessionId") == self._session:  # else it is of an earlier page
                self._note(answer)

    def _read(self) -> Any:
        while b"\0" not in self._unread:
            chunk = os.read(self._from_browser, 65536)
            assert chunk, "the browser has ended"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters["exceptionDetails"]))
            case "Network.requestWillBeSent":
                self.requested.append(parameters["request"]["url"])


@contextmanager
def browser_page(profile: Path) -> Iterator[Page]:
    """A browser with one page; after the block it has exited."""
    assert CHROMIUM is not None
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()

    process = subprocess.Popen(
        [*_WITH_PIPES, str(commands), str(answers), CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(commands)
    os.close(answers)
    try:
        yield Page(to_browser, from_browser)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
