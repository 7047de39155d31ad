"""Serves a gateway in this process, and ends as operators expect.

The first SIGTERM, SIGINT or SIGHUP drains: readiness is red and new calls are refused, running calls finish.
When the time for that is up, or at a second signal, they are ended too, each with its terminal event. Clients
that do not even read that are cut off, at once by a third signal.
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
from chat2response.server.bootstrap import Prepared
from chat2response.server.http_protocol import BoundedHeads
from chat2response.server.signals import stopping_signals
from chat2response.wire.machine import DRAINING

log = logging.getLogger("chat2response")

OnceUp = Callable[[], Awaitable[None]]

_KEEP_ALIVE = 75  # seconds that an idle connection stays; proxies in front keep theirs for 60
_LAST_WORDS = 5.0  # seconds for the terminal events of streams that were ended

_out_of_files = LogThrottle(
    log,
    "The limit of open files is reached, and new connections are refused: raise it (ulimit -n, "
    "LimitNOFILE= of systemd, --ulimit nofile= of Docker).",
)


def run(ready: Prepared, once_up: OnceUp, *, parent: int | None = None) -> None:
    """Serves until it is told to stop. `once_up` runs beside it as soon as it listens. `parent`: a pipe whose
    end, the death of the process that holds the other side, counts as a signal.

    What `once_up` raises ends the server, and is raised here, unless a signal came before. Raises
    stores.CannotOpen.
    """
    logs.set_up(ready.services.settings, ready.services.admin.token or "")
    with asyncio.Runner(loop_factory=_new_loop()) as runner:
        runner.run(_serve(ready, once_up, parent))


async def _serve(ready: Prepared, once_up: OnceUp, parent: int | None) -> None:
    await ready.services.open()  # the lifespan does it too, but would only log what is wrong
    server = Server(ready.services, ready.admin_listeners)
    with _signals(server.asked_to_stop), _end_of(parent, server.asked_to_stop):
        async with _beside(server, once_up):
            await server.serve(sockets=ready.listeners)


class Server(uvicorn.Server):
    """uvicorn's, with our signals; and with other listeners for the admin plane, where it has its own."""

    def __init__(self, services: Services, admin_listeners: Sequence[socket.socket] = ()) -> None:
        self._gateway = Gateway(services)
        self._admin_listeners = admin_listeners
        self._protocol = partial(
            BoundedHeads,
            body_seconds=services.settings.chat2response_body_timeout_seconds,
            body_rate=services.settings.chat2response_body_min_bytes_per_second,
            write_seconds=services.settings.chat2response_write_timeout_seconds,
        )
        super().__init__(_config(self._gateway, self._protocol))
        self.up = asyncio.Event()
        self._runs = services.engine.runs
        self._drain_seconds = services.settings.chat2response_drain_seconds
        self._asked = 0

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        await self._open_admin_plane()
        _spare_the_collector()
        self.up.set()

    async def _open_admin_plane(self) -> None:
        """Its connections are like the others: they count, and end with them."""
        config = _config(self._gateway.admin, self._protocol)

        def protocol() -> BoundedHeads:
            return self._protocol(config, self.server_state, self.lifespan.state)

        loop = asyncio.get_running_loop()
        for listener in self._admin_listeners:
            self.servers.append(await loop.create_server(protocol, sock=listener, backlog=config.backlog))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would end the process by the signal; ours are set around it."""
        yield

    @property
    def stopping(self) -> bool:
        """Whether a signal came."""
        return self._asked > 0

    def asked_to_stop(self) -> None:
        """A signal came."""
        self._asked += 1
        if self._asked == 1:
            self._drain()
        elif self._asked == 2:
            self._end_calls()
        else:
            self._cut_off()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop. While calls run, probes and new calls are still answered."""
        if _no_file_is_free():
            _out_of_files()
        drained = self.stopping and not self._runs
        return await super().on_tick(counter) or drained

    def _drain(self) -> None:
        self._gateway.drain()
        asyncio.get_running_loop().call_later(self._drain_seconds, self._end_calls)
        if running := len(self._runs):
            log.info(
                "waiting for the end of running calls: %d, for %g seconds at most. "
                "A second signal ends them now.",
                running,
                self._drain_seconds,
            )
        else:
            self.should_exit = True

    def _end_calls(self) -> None:
        self.should_exit = True
        self._runs.end(DRAINING)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._cut_off)

    def _cut_off(self) -> None:
        """Ends the connections, and with them the calls; the lifespan still ends in good order."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def _config(app: App, protocol: Callable[..., BoundedHeads]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,  # type: ignore[arg-type]  # it is only called
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )


def _no_file_is_free() -> bool:
    """Whether the limit of open files is reached. uvloop then closes new connections, and tells nobody."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def _spare_the_collector() -> None:
    """What lives as long as the process is not looked through for garbage again; the rest, less often.

    It halves the slowest hundredth of requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@asynccontextmanager
async def _beside(server: Server, once_up: OnceUp) -> AsyncIterator[None]:
    """Runs `once_up` while the body serves; raises its error after the body."""

    async def visit() -> None:
        await server.up.wait()
        try:
            await once_up()
        except BaseException as error:
            if server.stopping and isinstance(error, Exception):
                return  # it was refused what nobody gets any more
            server.should_exit = True
            raise

    visiting = asyncio.ensure_future(visit())
    try:
        yield
    finally:
        visiting.cancel()  # the server is gone: what is not over yet has nobody to talk to
        await asyncio.wait({visiting})
    if not visiting.cancelled():
        visiting.result()


@contextmanager
def _signals(act: Callable[[], None]) -> Iterator[None]:
    """`act` in the event loop for each signal, in place of their default action."""
    loop = asyncio.get_running_loop()

    def from_thread(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)

    before = {number: signal.getsignal(number) for number in stopping_signals()}
    for number in before:
        if sys.platform == "win32":
            signal.signal(number, from_thread)
        else:
            loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number, handler in before.items():
            if sys.platform != "win32":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def _end_of(pipe: int | None, act: Callable[[], None]) -> Iterator[None]:
    """`act` in the event loop, once, when a pipe has ended."""
    if pipe is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(pipe)
        act()

    loop.add_reader(pipe, ended)
    try:
        yield
    finally:
        loop.remove_reader(pipe)


def _new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
