"""Who reaches a server whose socket was passed: that is what the socket says, whatever the flags say."""

import os
import socket
from pathlib import Path

import pytest

from coglet_supervisor.errors import StartupError
from coglet_supervisor.init_system import passed_socket
from coglet_supervisor.listener import as_passed
from coglet_supervisor.settings import Settings


def test_the_address_is_that_of_the_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = as_passed(Settings(unix_socket="other"), listener)
    assert (settings.host, settings.unix_socket) == ("127.0.0.1", None)
    with socket.create_server(("", 0)) as listener:
        assert as_passed(Settings(host="127.0.0.1"), listener).host == "0.0.0.0"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert as_passed(Settings(), listener).unix_socket == str(tmp_path / "socket")


def test_several_sockets_are_refused() -> None:
    with pytest.raises(StartupError, match="passed 2 sockets, but a server listens on one"):
        passed_socket({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"})
