"""The gateway on a real socket, in the test's own loop, and the clients that call it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from openai import AsyncOpenAI

from chat2response.api.http.body_buffers import BodyBuffers
from chat2response.app import Gateway
from chat2response.compose import Services, compose
from chat2response.server.server import Server
from chat2response.settings import AuthMode, Settings
from tests.support.e2e.sse_streams import assert_ours, chunks_of, events_of
from tests.support.scripted_upstream import PATIENCE

OPERATOR_KEY = "sk-operator-0123456789abcdef"
CLIENT_BEARER = "sk-clients-own-0123456789"


@dataclass(eq=False)
class Recorded:
    """The bytes of a stream. `whole`: it was read to its end."""

    path: str
    data: bytes = b""
    whole: bool = False


class Recorder(httpx2.AsyncBaseTransport):
    """Records the bytes of every stream, for the grammar check."""

    def __init__(self) -> None:
        self.streams: list[Recorded] = []
        self.judged = True
        """Whether what passed must be well formed; a test of an upstream's oddities says no."""
        self._inner = httpx2.AsyncHTTPTransport(verify=False, limits=httpx2.Limits())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if "event-stream" in response.headers.get("content-type", ""):
            record = Recorded(request.url.path)
            self.streams.append(record)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Tee(response.stream, record)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Tee(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, record: Recorded) -> None:
        self._inner = inner
        self._record = record

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._inner:
            self._record.data += data
            yield data
        self._record.whole = True

    async def aclose(self) -> None:
        await self._inner.aclose()


class Running:
    """A running gateway. `key`: a valid key (in passthrough: the client's own bearer)."""

    def __init__(self, services: Services, server: Server, port: int, key: str) -> None:
        self.services = services
        self.port = port
        self.key = key
        self.admin_url = self.url
        self.recorder = Recorder()
        self.http = httpx2.AsyncClient(
            base_url=self.url,
            transport=self.recorder,
            timeout=PATIENCE,
            headers={"authorization": f"Bearer {key}"},
        )
        self._server = server

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> Any:
        """The live runs."""
        return self.services.engine.runs

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._server.server_state.connections)

    @property
    def buffers(self) -> BodyBuffers:
        """The memory of request bodies."""
        app = getattr(self._server.config.app, "__self__", None)
        assert isinstance(app, Gateway)
        return app.buffers

    def sdk(self, key: str | None = None) -> Any:
        """The official client, untyped because bodies are plain dicts. It never retries."""
        # Its own transport is lent: closing `http` closes it, once.
        client = httpx2.AsyncClient(transport=self.recorder, timeout=PATIENCE)
        return AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, http_client=client
        )

    async def issue(self, **more: Any) -> str:
        """Issues another key and returns its token."""
        return (await self.services.keys.generate(**more)).token

    async def post(self, path: str, body: Any, **more: Any) -> httpx2.Response:
        """Posts without the SDK. `body`: bytes, or a value that becomes JSON."""
        params = {"content": body} if isinstance(body, bytes) else {"json": body}
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return await self.http.post(path, headers=headers, **params, **more)

    def judge(self) -> None:
        """Checks that every stream that a client read to its end is well formed."""
        for stream in self.recorder.streams if self.recorder.judged else ():
            if not stream.whole:
                continue
            spoken = "chat" if stream.path.endswith("/chat/completions") else "responses"
            if self.services.settings.upstream_mode.value in (spoken, "both"):
                (chunks_of if spoken == "chat" else events_of)(stream.data)
            else:
                assert_ours(stream.path, stream.data)

    def drain(self) -> None:
        """Starts draining, like the first signal; the server continues."""
        app = getattr(self._server.config.app, "__self__", None)
        assert isinstance(app, Gateway)
        app.drain()

    async def idle(self) -> None:
        """Waits until no request is in progress."""
        async with asyncio.timeout(PATIENCE):
            while tasks := tuple(self._server.server_state.tasks):
                await asyncio.wait(tasks)


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    store: str = "memory",
    clock: Callable[[], float] = time.time,
    hold: float = PATIENCE,
) -> AsyncIterator[Running]:
    """Starts and stops the command line's server step by step, without its main loop.

    `hold`: seconds that a stream's head waits for its first event; long, so that no test depends on timing.
    """
    services = compose(settings, store_url=store, clock=clock)
    options = replace(services.engine.options, first_event_timeout=hold)
    services = replace(services, engine=replace(services.engine, options=options))
    apart = settings.chat2response_admin_bind_addr is not None
    admin_listeners = [socket.create_server(settings.admin_listen)] if apart else []
    server = Server(services, admin_listeners)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    managed = settings.auth_mode is AuthMode.MANAGED
    token = (await services.keys.generate(label="test")).token if managed else CLIENT_BEARER
    gateway = Running(services, server, listener.getsockname()[1], token)
    gateway.admin_url = f"http://127.0.0.1:{(*admin_listeners, listener)[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        await gateway.http.aclose()
        await _stop(server, gateway, listener, *admin_listeners)


async def _stop(server: Server, gateway: Running, *listeners: socket.socket) -> None:
    for each in server.servers:
        each.close()
    for connection in tuple(server.server_state.connections):
        connection.shutdown()
    await gateway.idle()
    async with asyncio.timeout(PATIENCE):
        for each in server.servers:
            await each.wait_closed()
    await server.lifespan.shutdown()
    for listener in listeners:
        listener.close()
