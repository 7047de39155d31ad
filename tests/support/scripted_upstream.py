"""A scripted upstream on a real socket: what it answers is data, and what it was asked is kept.

    async with ScriptedUpstream() as upstream:
        upstream.play(Script("/v1/models", (b"{}",)))
        ... a gateway with upstream.url calls it ...
        assert upstream.last.body == b"..."

It writes HTTP/1.1 by hand, so that it can say what no server library would: a head without a body, a body
that stops in the middle of a chunk, bytes that are no HTTP at all.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, cast

Step = bytes | asyncio.Event
"""Bytes are written; an event is waited for, so that a test decides what comes before what."""
Headers = tuple[tuple[str, str], ...]

PATIENCE = 20.0
"""Seconds after which a wait for something that must happen is a failure. Nothing ever waits that long."""


@dataclass(frozen=True)
class Script:
    """One answer, at one path. `before`: waited for before the head is sent."""

    path: str
    steps: tuple[Step, ...]
    status: int = 200
    headers: Headers = ()
    media_type: str | None = "application/json"
    framing: Literal["length", "chunked", "close", "raw"] = "length"
    """How the body's end is told; `raw`: the steps are all there is, with no head of ours before them."""
    end: Literal["whole", "cut", "reset", "stall", "open"] = "whole"
    """After the last step: the proper end; the connection closed, or reset; silence until the client goes;
    `open`: nothing more, and the next request is awaited, whatever the framing."""
    before: asyncio.Event | None = None
    pause: bool = False
    """Lets the loop turn after each step, so that the steps come apart."""

    def but(self, **changes: Any) -> "Script":
        """The same, changed in some fields."""
        return replace(self, **changes)

    def adding(self, *headers: tuple[str, str]) -> "Script":
        """The same, with more headers."""
        return replace(self, headers=(*self.headers, *headers))


@dataclass(eq=False)
class Received:
    """A request as it came. Header names in lower case; `order` keeps them as they were sent."""

    method: str
    path: str
    headers: dict[str, str]
    order: tuple[tuple[str, str], ...]
    body: bytes
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """The client closed before the script had ended."""
    played: asyncio.Event = field(default_factory=asyncio.Event)
    """The script has ended, so far as the server is concerned."""

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Answer = Script | Callable[[Received], Script]


class ScriptedUpstream:
    """Plays, at each path, its scripts in order; the last one for every further request.

    `tls`: what it encrypts with, for a server whose address is https.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self.requests: list[Received] = []
        self.open: set[_Connection] = set()
        """Connections that are open now."""
        self.accepted = 0
        self._answers: dict[str, list[Answer]] = {}
        self._server: asyncio.Server | _TLSServer | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "ScriptedUpstream":
        if self._tls is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Connection(self), self._host, 0)
        else:
            self._server = _TLSServer(lambda: _Connection(self), self._tls, self._host)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self.open):
            connection.abort()
        async with asyncio.timeout(PATIENCE):
            await self.until(lambda: not self.open)
            await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def handshakes(self) -> int:
        """How many clients are in the middle of one; without TLS: none."""
        return len(self._server.handshakes) if isinstance(self._server, _TLSServer) else 0

    @property
    def url(self) -> str:
        """What an OPENAI_BASE_URL says."""
        return f"{'http' if self._tls is None else 'https'}://{self._host}:{self.port}/v1"

    @property
    def last(self) -> Received:
        """The newest request."""
        return self.requests[-1]

    def play(self, *scripts: Script) -> None:
        """Sets what the paths of these scripts answer from now on."""
        for path in {script.path for script in scripts}:
            self._answers[path] = [script for script in scripts if script.path == path]

    def play_for(self, path: str, answer: Callable[[Received], Script]) -> None:
        """Lets `answer` choose, request by request."""
        self._answers[path] = [answer]

    async def until(self, condition: Callable[[], object]) -> None:
        """Returns when `condition` holds; it is looked at whenever something has happened here."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def wait_for_request(self, count: int = 1) -> Received:
        """Waits for the request number `count`, whole."""
        await self.until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    # -- for its connections -----------------------------------------------------------------------

    def changed(self) -> None:
        self._changed.set()

    def answer_to(self, request: Received) -> Script:
        self.requests.append(request)
        self._changed.set()
        answers = self._answers.get(request.path)
        if not answers:
            missing = {"error": {"message": f"no script for {request.path}", "type": "test"}}
            return Script(request.path, (json.dumps(missing).encode(),), status=404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer if isinstance(answer, Script) else answer(request)


class _TLSServer:
    """As `asyncio.Server`, but none of its handshakes outlives it.

    A client that has given up its own may leave the server's to an end of file that comes late (through a
    proxy, say). asyncio's server does not end it; uvloop's does not even wait, and the loop closed around it.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext, host: str) -> None:
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server((host, 0))
        self._listener.setblocking(False)
        self.handshakes: set[asyncio.Task[None]] = set()
        self._loop.add_reader(self._listener, self._accept)

    @property
    def sockets(self) -> tuple[socket.socket]:
        return (self._listener,)

    def close(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()

    async def wait_closed(self) -> None:
        for handshake in tuple(self.handshakes):
            handshake.cancel()
        await asyncio.gather(*self.handshakes, return_exceptions=True)
        await asyncio.sleep(0)  # their sockets close in the next turn

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            handshake = asyncio.ensure_future(self._shake_hands(connection))
            self.handshakes.add(handshake)
            handshake.add_done_callback(self.handshakes.discard)

    async def _shake_hands(self, connection: socket.socket) -> None:
        with suppress(OSError):  # it fails: that is the client's affair
            await self._loop.connect_accepted_socket(self._make, connection, ssl=self._tls)


class _Connection(asyncio.Protocol):
    """One client: reads requests one after another, plays a script for each."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._buffer = b""
        self._transport: asyncio.Transport
        self._playing: asyncio.Task[None] | None = None
        self._request: Received | None = None
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._upstream.open.add(self)
        self._upstream.accepted += 1
        self._upstream.changed()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set()
        if self._request is not None and not self._request.played.is_set():
            self._request.gone.set()
        if self._playing is not None:
            self._playing.cancel()
        self._upstream.open.discard(self)
        self._upstream.changed()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._playing is None:
            self._next()

    def abort(self) -> None:
        self._transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes written that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def _next(self) -> None:
        request = self._whole_request()
        if request is not None:
            self._request = request
            self._playing = asyncio.ensure_future(self._play(request, self._upstream.answer_to(request)))

    def _whole_request(self) -> Received | None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        order = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        headers = {name.lower(): value for name, value in order}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        return Received(method, path, headers, order, rest[:length])

    async def _play(self, request: Received, script: Script) -> None:
        if script.before is not None:
            await script.before.wait()
        if script.framing != "raw":
            self._transport.write(_head(script))
        for step in script.steps:
            if isinstance(step, bytes):
                self._transport.write(_framed(step, script))
            else:
                await step.wait()
            if script.pause:
                await asyncio.sleep(0)
        await self._finish(request, script)

    async def _finish(self, request: Received, script: Script) -> None:
        if script.end == "stall":
            await self._lost.wait()
        request.played.set()
        self._playing = None
        if script.end == "reset":
            self._transport.abort()
        elif script.end == "open":
            self._next()
        elif script.end == "cut" or script.framing in ("close", "raw"):
            self._transport.close()
        else:
            if script.framing == "chunked":
                self._transport.write(b"0\r\n\r\n")
            self._next()
        self._upstream.changed()


def _head(script: Script) -> bytes:
    lines = [f"HTTP/1.1 {script.status} Whatever"]
    if script.media_type is not None:
        lines.append(f"Content-Type: {script.media_type}")
    if script.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif script.framing == "length":
        whole = sum(len(step) for step in script.steps if isinstance(step, bytes))
        lines.append(f"Content-Length: {whole + (script.end != 'whole')}")  # cut: one byte never comes
    else:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in script.headers]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _framed(data: bytes, script: Script) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if script.framing == "chunked" else data
