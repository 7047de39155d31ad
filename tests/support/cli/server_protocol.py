"""The server's protocol over a transport in memory: bytes in, however cut; requests and answers out."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from chat2response.server.http_protocol import BoundedHeads


@dataclass
class Asked:
    """A request as the application saw it, looked at when its body was whole."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


class Wire(asyncio.Transport):
    """What the protocol writes. It never pushes back."""

    def __init__(self) -> None:
        super().__init__()
        self.out = b""
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.out += bytes(data)

    def close(self) -> None:
        self.closed.set()

    abort = close

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 4711), "sockname": ("127.0.0.1", 80)}.get(name, default)


@dataclass
class Served:
    """A connection. `go`: while it is not set, no answer is given."""

    requests: list[Asked] = field(default_factory=list)
    wire: Wire = field(default_factory=Wire)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()
        self.state = ServerState()
        config = uvicorn.Config(
            self._app, lifespan="off", log_config=None, access_log=False, interface="asgi3"
        )
        self.protocol = BoundedHeads(config, self.state, {}, body_seconds=30.0, body_rate=1000)
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.requests.append(Asked(scope["method"], scope["path"], list(scope["headers"]), body))
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(self, *pieces: bytes) -> "Served":
        """Each piece is a read of its own; what they lead to is done before the next."""
        for piece in pieces:
            self.protocol.data_received(piece)
            await self.settle()
        return self

    async def settle(self) -> None:
        """Lets everything run that can."""
        for _ in range(6):
            await asyncio.sleep(0)

    @property
    def statuses(self) -> list[int]:
        """Of the answers so far, in order."""
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.wire.out)]

    def end(self) -> None:
        """Takes its timers away."""
        self.protocol.connection_lost(None)


async def served(*pieces: bytes) -> Served:
    """What becomes of these bytes."""
    connection = Served()
    await connection.send(*pieces)
    connection.end()
    return connection


def cuts(data: bytes, first: int = 1) -> Iterable[tuple[bytes, bytes]]:
    """`data` in two, at every byte from `first` on."""
    return ((data[:at], data[at:]) for at in range(first, len(data)))
