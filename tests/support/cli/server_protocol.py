"""Runs the server's protocol on a transport in memory: a test sends bytes, and sees requests and answers."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from uvicorn.server import ServerState

from chat2response.server.http_protocol import BoundedHttpProtocol
from chat2response.wire.headers import HeaderList


@dataclass
class AppRequest:
    """A request as the application received it, with its complete body."""

    method: str
    path: str
    headers: HeaderList
    body: bytes = b""


class Wire(asyncio.Transport):
    """A transport that stores what the protocol writes, and never pauses it."""

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
    """A connection to the protocol. The application answers once `go` is set."""

    requests: list[AppRequest] = field(default_factory=list)
    wire: Wire = field(default_factory=Wire)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()
        self.state = ServerState()
        config = uvicorn.Config(
            self._app, lifespan="off", log_config=None, access_log=False, interface="asgi3"
        )
        self.protocol = BoundedHttpProtocol(config, self.state, {}, body_seconds=30.0, body_rate=1000)
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.requests.append(AppRequest(scope["method"], scope["path"], list(scope["headers"]), body))
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(self, *pieces: bytes) -> Self:
        """Delivers each piece as one read, and lets the protocol handle it before the next."""
        for piece in pieces:
            self.protocol.data_received(piece)
            await self.settle()
        return self

    async def settle(self) -> None:
        """Lets all ready tasks run."""
        for _ in range(6):
            await asyncio.sleep(0)

    @property
    def statuses(self) -> list[int]:
        """The status codes of the answers so far."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.wire.out)]

    def end(self) -> None:
        """Closes the connection, which stops its timers."""
        self.protocol.connection_lost(None)


async def served(*pieces: bytes) -> Served:
    """A closed connection after these reads."""
    connection = Served()
    await connection.send(*pieces)
    connection.end()
    return connection


def cuts(data: bytes, first: int = 1) -> Iterable[tuple[bytes, bytes]]:
    """All splits of `data` into two pieces, from byte `first` on."""
    return ((data[:at], data[at:]) for at in range(first, len(data)))
