"""Common reverse proxies in front of a server, with the shortest useful configuration."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testing.client import Address
from testing.ports import HOST, reserved_port
from testing.waiting import DEADLINE_S, wait_for

# A worker that is not root could not enter the folder of the test.
_NGINX: Final = """
daemon off; master_process off; pid {folder}/pid; error_log stderr; {user}
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    upstream cog {{ server {server}; keepalive 4; }}
    server {{
        listen {own};
        location / {{
            proxy_pass http://cog; proxy_set_header Host $host;
            {http}
        }}
    }}
}}
"""
# Without the buffer, Caddy 2.6 aborts a response that starts before it has read the end of the request.
_CADDY: Final = """
{{
    admin off
    auto_https off
}}
http://{own} {{
    reverse_proxy {server} {{
        buffer_requests
        transport http {{
            versions {http}
        }}
    }}
}}
"""
_HAPROXY: Final = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen all
    bind {own}
    http-reuse always
    option abortonclose
    server cog {server} {http}
"""


@dataclass(frozen=True)
class Proxy:
    """A kind of proxy: how it is started, and its protocol to the server.

    Unless it `keeps_alive`, each request to the server has a connection of its own.
    """

    command: Sequence[str]
    configuration: str
    http: str
    keeps_alive: bool = True

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.command[0]) is not None


_NGINX_COMMAND: Final = ("nginx", "-p", ".", "-c")
_CADDY_COMMAND: Final = ("caddy", "run", "--adapter", "caddyfile", "--config")
PROXIES: Final = {
    "nginx": Proxy(_NGINX_COMMAND, _NGINX, 'proxy_http_version 1.1; proxy_set_header Connection "";'),
    "nginx, HTTP/1.0": Proxy(_NGINX_COMMAND, _NGINX, "", keeps_alive=False),
    "caddy": Proxy(_CADDY_COMMAND, _CADDY, "1.1"),
    "caddy, HTTP/2": Proxy(_CADDY_COMMAND, _CADDY, "h2c 2"),
    "haproxy": Proxy(("haproxy", "-f"), _HAPROXY, ""),
    "haproxy, HTTP/2": Proxy(("haproxy", "-f"), _HAPROXY, "proto h2"),
}


@dataclass(frozen=True)
class InFront:
    """A proxy that runs."""

    address: Address


@contextmanager
def in_front_of(server: Address, proxy: Proxy, folder: Path) -> Iterator[InFront]:
    """Past the block it has ended. Its files and its log are in `folder`."""
    with reserved_port() as port:
        yield from _started(Address(HOST, port), server, proxy, folder)


def _started(own: Address, server: Address, proxy: Proxy, folder: Path) -> Iterator[InFront]:
    configuration, log = folder / "configuration", folder / "log"
    configuration.write_text(
        proxy.configuration.format(
            own=f"{own.host}:{own.port}",
            server=f"{server.host}:{server.port}",
            folder=folder,
            http=proxy.http,
            user="user root;" if os.geteuid() == 0 else "",
        )
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*proxy.command, configuration],
            cwd=folder,
            env={
                **os.environ,
                "HOME": str(folder),
                "XDG_DATA_HOME": str(folder),
                "XDG_CONFIG_HOME": str(folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: _is_open(own, process, log), f"open port of {proxy.command[0]}")
        yield InFront(own)
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            process.wait()


def _is_open(address: Address, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with suppress(ConnectionError), address.socket():
        return True
    return False
