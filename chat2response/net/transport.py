"""The HTTP transport: a POST or GET opened as an `Exchange`, over connections that are kept.

Our own, because it was measured: under load aiohttp was a third of a bridged request's CPU, and httpx ten
times the rest of it. What is hard is not ours: httptools parses, asyncio resolves, connects and encrypts.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chat2response.errors import UpstreamTimeout, UpstreamUnreachable
from chat2response.net.connection import Connection
from chat2response.net.connector import Dialler
from chat2response.net.endpoint import Place
from chat2response.net.http_response import Cut, Exchange, Headers, cut_error
from chat2response.net.proxies import Proxies
from chat2response.net.tunnel import refusal

__all__ = ["Cut", "Exchange", "Headers", "Transport", "TransportOptions", "cut_error"]

_IDLE_SECONDS = 15.0  # an unused connection is closed before most servers would close it
_MAX_IDLE = 512  # connections kept per upstream


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How the outside is reached."""

    connect_timeout: float = 10.0
    """Seconds to connect, through proxies and their tunnels where there are any."""
    read_timeout: float = 60.0
    """Seconds of silence, before the head and between reads."""
    user_agent: str = "chat2response"
    proxies: Proxies = field(default_factory=Proxies)
    ca_file: Path | None = None
    """Certificates that are trusted beside the system's."""


class Transport:
    """Opens exchanges. One per process; close it at the end."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._places: dict[str, Place] = {}
        self._free: dict[tuple[Any, ...], list[Connection]] = {}
        self._dialler = Dialler(options.user_agent, options.ca_file)
        self._closed = False
        self._common = f"User-Agent: {options.user_agent}\r\nAccept-Encoding: identity\r\n"

    async def open(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        stall: float = 0.0,
    ) -> Exchange:
        """Sends the request and waits for the head. `stall`: seconds between reads, where more than usual.

        Raises UpstreamUnreachable (no connection, no readable head, a proxy that wants another login) and
        UpstreamTimeout. Redirects are not followed. Cancelling closes the connection.

        A kept connection that the upstream closes while the request is on its way is no refusal: once, it is
        sent again on a new one.
        """
        place = self._places.get(url) or self._place(url)
        head = self._head(method, place, headers, body)
        kept = self._kept(place)
        if kept is not None:
            try:
                return await self._ask(kept, place, head, body or b"", stall)
            except UpstreamUnreachable:
                if not kept.raced:
                    raise
        return await self._ask(await self._connect(place), place, head, body or b"", stall)

    async def close(self) -> None:
        """Closes the connections that are not in use; those that are will not be kept."""
        self._closed = True
        for connections in self._free.values():
            for connection in connections:
                connection.abort()
        self._free.clear()
        await asyncio.sleep(0)  # the loop tells them

    # -- connections ---------------------------------------------------------------------------------

    async def _ask(
        self, connection: Connection, place: Place, head: bytes, body: bytes, stall: float
    ) -> Exchange:
        exchange = connection.send(head, body, stall)
        try:
            await exchange.head()
            if exchange.status == 407 and place.proxy is not None and not place.secure:
                raise refusal(exchange.status)
        except BaseException:
            connection.abort()
            raise
        return exchange

    def _kept(self, place: Place) -> Connection | None:
        free = self._free.get(place.key)
        while free:
            connection = free.pop()  # the one used last: the others may idle out
            if connection.usable:
                return connection
        return None

    async def _connect(self, place: Place) -> Connection:
        free = self._free.setdefault(place.key, [])

        def keep(connection: Connection) -> None:
            if len(free) < _MAX_IDLE and not self._closed:
                free.append(connection)
            else:
                connection.abort()

        options = self._options
        try:
            async with asyncio.timeout(options.connect_timeout):
                return await self._dialler.connect(
                    lambda: Connection(options.read_timeout, _IDLE_SECONDS, keep), place
                )
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"The upstream took no connection within {options.connect_timeout:g} seconds.",
                internal=f"{place.authority}: {error!r}",
            ) from None

    # -- requests ------------------------------------------------------------------------------------

    def _place(self, url: str) -> Place:
        """Upstream addresses are few; taking one apart costs as much as reading a small body."""
        place = Place.of(url, self._options.proxies)
        if len(self._places) < 256:
            self._places[url] = place
        return place

    def _head(self, method: str, place: Place, headers: dict[str, str], body: bytes | None) -> bytes:
        lines = [f"{method} {place.line}{self._common}"]
        for name, value in headers.items():
            if "\r" in value or "\n" in value:
                raise UpstreamUnreachable("A header for the upstream holds a line break.", internal=name)
            lines.append(f"{name}: {value}\r\n")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n")
        lines.append("\r\n")
        try:
            return "".join(lines).encode("latin-1")
        except UnicodeEncodeError as error:
            raise UpstreamUnreachable(
                "A header for the upstream holds a character that HTTP cannot carry.",
                internal=error.reason,
            ) from None
