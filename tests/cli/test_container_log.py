"""What a container has printed is shown although the container has ended and is removed."""

import asyncio
import threading

import docker
import pytest
from testing.receiver import Peer, Received, Receiver, Reply

from coglet_cli.engine.client import Engine
from coglet_cli.engine.container import ContainerExited, ContainerPlan, model_container
from coglet_cli.terminal import Terminal

LINE = b"no luck\n"
A_MOMENT_S = 0.2


class StandIn:
    """Replaces Docker for one container, which has ended at once; its log can be read until it is removed."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._removed = threading.Event()

    def answer(self, request: Received) -> Reply:
        operation = (request.method, request.path.partition("?")[0].rpartition("/")[2])
        match operation:
            case ("POST", "create"):
                return _json(201, '{"Id": "one"}')
            case ("POST", "wait"):
                return _json(200, '{"StatusCode": 7}')
            case ("GET", "logs"):
                return Reply(write=self._send_log)
            case ("POST", "stop"):
                self._stopped.set()
            case ("DELETE", _):
                self._removed.set()
            case ("GET", "json") if self._removed.is_set():
                return _json(404, '{"message": "No such container: one"}')
            case ("GET", "json"):
                return _json(200, '{"Id": "one", "Config": {"Tty": false}, "NetworkSettings": {"Ports": {}}}')
        return Reply(204)

    def _send_log(self, peer: Peer) -> None:
        # As slow as on a busy machine: the container is removed now, unless that waits for the log.
        self._stopped.wait()
        self._removed.wait(A_MOMENT_S)
        frame = b"\1\0\0\0" + len(LINE).to_bytes(4, "big") + LINE
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(frame), frame))


def _json(status: int, body: str) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, body.encode())


async def test_the_log_of_a_container_that_has_ended_is_shown_before_it_is_removed() -> None:
    shown: list[str] = []

    plan, terminal = ContainerPlan("image"), Terminal(color=False)
    with Receiver().listening() as receiver:
        receiver.answer = StandIn().answer
        engine = Engine(docker.DockerClient(receiver.url, version="1.41"))
        with pytest.raises(ContainerExited):
            async with model_container(engine, plan, terminal, shown.append) as server:
                await server.while_starting(asyncio.Event().wait())
        engine.client.close()
    assert shown == [LINE.decode().rstrip()]
