"""A port that another program takes between our check and the server's start."""

import socket
from pathlib import Path

import pytest

from coglet_cli.config import CogConfig
from coglet_cli.local.model import LocalOptions, server_command
from coglet_cli.local.process import local_server
from coglet_cli.project.folder import Project
from coglet_cli.project.model import LocalModel
from coglet_cli.server.address import Address, PortTaken
from coglet_cli.server.client import ModelClient
from coglet_cli.server.readiness import wait_set_up_within
from coglet_cli.terminal import Terminal

pytestmark = pytest.mark.ours("the command line is not part of the server")


async def start(folder: Path, address: Address) -> None:
    model = LocalModel(Project(folder, folder / "cog.yaml"), CogConfig(run="run.py:Runner"))
    command = server_command(model, LocalOptions("cog.yaml"), address, Terminal(color=False))
    async with local_server(command) as server, ModelClient(address.url) as client:
        await wait_set_up_within(20, server, client)


async def test_a_port_in_use_is_distinguished_from_other_exits(tmp_path: Path) -> None:
    # It listens and never responds, so that only the exit of our own server shows the conflict.
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(PortTaken):
            await start(tmp_path, Address("127.0.0.1", other.getsockname()[1]))
