"""Common reverse proxies in front of a server; nginx and Caddy with the files in deploy/."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testing.client import Address
from testing.ports import HOST, reserved_port
from testing.waiting import DEADLINE_S, wait_for

_DEPLOY: Final = Path(__file__).parents[1] / "deploy"
_NGINX_SITE: Final = (_DEPLOY / "nginx/coglet.conf").read_text()
_CADDY_SITE: Final = (_DEPLOY / "caddy/Caddyfile").read_text()

# As Debian's nginx.conf around the site. A worker that is not root could not enter the folder of the test.
_NGINX: Final = """
daemon off; master_process off; pid @FOLDER@/pid; error_log stderr; @USER@
events { }
http {
    access_log off; client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy;
    fastcgi_temp_path @FOLDER@/fastcgi; uwsgi_temp_path @FOLDER@/uwsgi; scgi_temp_path @FOLDER@/scgi;
    @SITE@
}
"""
_CADDY: Final = """
{
    admin off
    auto_https off
    default_bind 127.0.0.1
}
@SITE@
"""
_HAPROXY: Final = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen all
    bind @OWN@
    http-reuse always
    option abortonclose
    server cog @SERVER@
"""


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"there is no {old!r} in:\n{text}"
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Proxy:
    """A kind of proxy: how it is started, and its configuration, with @SERVER@ and @OWN@ for the addresses.

    Unless it `keeps_alive`, each request to the server has a connection of its own.
    """

    command: Sequence[str]
    configuration: str
    keeps_alive: bool = True

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.command[0]) is not None


def _nginx(changes: Mapping[str, str], *, keeps_alive: bool = True) -> Proxy:
    addresses = {"server 127.0.0.1:5000;": "server @SERVER@;", "listen 80;": "listen @OWN@;"}
    site = _replaced(_NGINX_SITE, {**addresses, **changes})
    return Proxy(("nginx", "-p", ".", "-c"), _NGINX.replace("@SITE@", site), keeps_alive)


def _caddy(changes: Mapping[str, str]) -> Proxy:
    command = ("caddy", "run", "--adapter", "caddyfile", "--config")
    # The file is written for the current release; Debian's Caddy 2.6 has other names.
    names = {"\t\trequest_buffers 16MB": "\t\tbuffer_requests\n\t\tmax_buffer_size 16MB"}
    return Proxy(command, _CADDY.replace("@SITE@", _replaced(_CADDY_SITE, {**names, **changes})))


def _haproxy(options: str) -> Proxy:
    return Proxy(("haproxy", "-f"), _HAPROXY.replace("@SERVER@", f"@SERVER@ {options}"))


PROXIES: Final = {
    "nginx": _nginx({}),
    "nginx, HTTP/1.0": _nginx(
        {"proxy_http_version 1.1;": "", 'proxy_set_header Connection "";': ""}, keeps_alive=False
    ),
    "caddy": _caddy({}),
    "caddy, HTTP/2": _caddy({"versions 1.1": "versions h2c 2"}),
    "haproxy": _haproxy(""),
    "haproxy, HTTP/2": _haproxy("proto h2"),
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
    addresses = (f"{server.host}:{server.port}", f"{own.host}:{own.port}")
    values = {
        "@FOLDER@": str(folder),
        "@SERVER@": addresses[0],
        "@OWN@": addresses[1],
        "@USER@": "user root;" if os.geteuid() == 0 else "",
    }
    text = proxy.configuration
    for name, value in values.items():
        text = text.replace(name, value)
    configuration.write_text(text)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*proxy.command, configuration],
            cwd=folder,
            env={
                **os.environ,
                "HOME": str(folder),
                "XDG_DATA_HOME": str(folder),
                "XDG_CONFIG_HOME": str(folder),
                "COGLET_SITE": f":{own.port}",
                "COGLET_SERVER": addresses[0],
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
