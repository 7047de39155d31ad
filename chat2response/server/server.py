"""Serves a gateway in this process, and stops it gracefully.

The first SIGTERM, SIGINT or SIGHUP drains the gateway: it reports not ready and refuses new calls, and
running calls finish. After the drain time, or at a second signal, running calls end with their terminal
event. Clients that do not read it are disconnected after a few seconds, or at once by a third signal.
"""

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from chat2response.api.http.request import App
from chat2response.app import Gateway
from chat2response.compose import Services
from chat2response.observe.log_throttle import LogThrottle
from chat2response.server import logs
from chat2response.server.bootstrap import PreparedGateway
from chat2response.server.http_protocol import BoundedHttpProtocol
from chat2response.server.signals import stop_signals
from chat2response.wire.fault import DRAINING

log = logging.getLogger("chat2response")

OnServing = Callable[[], Awaitable[None]]

_KEEP_ALIVE = 75  # seconds before an idle connection closes; proxies in front use 60
_TERMINAL_EVENT_SECONDS = 5.0  # for clients to read the terminal events of ended streams

_out_of_files = LogThrottle(
    log,
    "The process has reached its limit of open files and cannot accept new connections. Raise the limit: "
    "ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker.",
)


def run(prepared: PreparedGateway, on_serving: OnServing, *, parent: int | None = None) -> None:
    """Serves until a signal stops it. `on_serving` runs concurrently, from the moment the server listens.

    `parent`: a pipe to the parent process; its end, which means that the parent died, counts as a signal.

    An error of `on_serving` stops the server and is raised here, unless a signal came first. Raises
    stores.CannotOpen.
    """
    logs.set_up(prepared.services.settings, prepared.services.admin.token or "")
    with asyncio.Runner(loop_factory=_new_loop()) as runner:
        runner.run(_serve(prepared, on_serving, parent))


async def _serve(prepared: PreparedGateway, on_serving: OnServing, parent: int | None) -> None:
    await prepared.services.open()  # the lifespan opens them too, but would only log an error
    server = Server(prepared.services, prepared.admin_listeners)
    with _signal_handlers(server.handle_stop_signal), _on_pipe_end(parent, server.handle_stop_signal):
        async with _concurrently(server, on_serving):
            await server.serve(sockets=prepared.listeners)


class Server(uvicorn.Server):
    """uvicorn's server with our signal handling, and with the admin plane's own listeners, if any."""

    def __init__(self, services: Services, admin_listeners: Sequence[socket.socket] = ()) -> None:
        self._gateway = Gateway(services)
        self._admin_listeners = admin_listeners
        self._protocol = partial(
            BoundedHttpProtocol,
            body_seconds=services.settings.chat2response_body_timeout_seconds,
            body_rate=services.settings.chat2response_body_min_bytes_per_second,
            write_seconds=services.settings.chat2response_write_timeout_seconds,
        )
        super().__init__(_config(self._gateway.dispatch, self._protocol))
        self.serving = asyncio.Event()
        self._runs = services.engine.runs
        self._drain_seconds = services.settings.chat2response_drain_seconds
        self._stop_signals = 0

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        await self._open_admin_plane()
        _tune_garbage_collector()
        self.serving.set()

    async def _open_admin_plane(self) -> None:
        """Serves the admin listeners. Their connections are counted and closed like all others."""
        config = _config(self._gateway.admin, self._protocol)

        def protocol() -> BoundedHttpProtocol:
            return self._protocol(config, self.server_state, self.lifespan.state)

        loop = asyncio.get_running_loop()
        for listener in self._admin_listeners:
            self.servers.append(await loop.create_server(protocol, sock=listener, backlog=config.backlog))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turns off uvicorn's signal handling, which would end the process by the signal."""
        yield

    @property
    def stopping(self) -> bool:
        """Whether a stop signal has arrived."""
        return self._stop_signals > 0

    def handle_stop_signal(self) -> None:
        """Drains at the first signal, ends calls at the second, aborts connections at the third."""
        self._stop_signals += 1
        if self._stop_signals == 1:
            self._drain()
        elif self._stop_signals == 2:
            self._end_calls()
        else:
            self._abort_connections()

    async def on_tick(self, counter: int) -> bool:
        """Returns, ten times a second, whether to stop.

        While calls drain, probes and new calls still get answers.
        """
        if _out_of_descriptors():
            _out_of_files()
        drained = self.stopping and not self._runs
        return await super().on_tick(counter) or drained

    def _drain(self) -> None:
        self._gateway.drain()
        asyncio.get_running_loop().call_later(self._drain_seconds, self._end_calls)
        if running := len(self._runs):
            log.info(
                "waiting for running calls to finish: %d, at most %g seconds. "
                "Send a second signal to end them now.",
                running,
                self._drain_seconds,
            )
        else:
            self.should_exit = True

    def _end_calls(self) -> None:
        self.should_exit = True
        self._runs.end(DRAINING)
        asyncio.get_running_loop().call_later(_TERMINAL_EVENT_SECONDS, self._abort_connections)

    def _abort_connections(self) -> None:
        """Closes all connections, which ends their calls. The lifespan still shuts down normally."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def _config(app: App, protocol: Callable[..., BoundedHttpProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )


def _out_of_descriptors() -> bool:
    """Whether the limit of open files is reached. uvloop then closes new connections silently."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def _tune_garbage_collector() -> None:
    """Excludes long-lived objects from garbage collection, and collects the others less often.

    This halves the 99th percentile of latency.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@asynccontextmanager
async def _concurrently(server: Server, on_serving: OnServing) -> AsyncIterator[None]:
    """Runs `on_serving` while the body of the `with` serves; raises its error after the body."""

    async def wait_and_run() -> None:
        await server.serving.wait()
        try:
            await on_serving()
        except BaseException as error:
            if server.stopping and isinstance(error, Exception):
                return  # the drain refused its requests
            server.should_exit = True
            raise

    task = asyncio.ensure_future(wait_and_run())
    try:
        yield
    finally:
        task.cancel()  # it has no server to talk to any more
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@contextmanager
def _signal_handlers(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` in the event loop for each stop signal; restores the previous handlers at the end."""
    loop = asyncio.get_running_loop()

    def from_thread(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)

    previous = {number: signal.getsignal(number) for number in stop_signals()}
    for number in previous:
        if sys.platform == "win32":
            signal.signal(number, from_thread)
        else:
            loop.add_signal_handler(number, callback)
    try:
        yield
    finally:
        for number, handler in previous.items():
            if sys.platform != "win32":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def _on_pipe_end(pipe: int | None, callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` in the event loop, once, when the pipe is closed at the other end."""
    if pipe is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def at_end() -> None:
        loop.remove_reader(pipe)
        callback()

    loop.add_reader(pipe, at_end)
    try:
        yield
    finally:
        loop.remove_reader(pipe)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
