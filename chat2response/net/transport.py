"""The HTTP transport: a POST or GET opened as an `Exchange`, over connections that are kept.

Our own, because it was measured: under load aiohttp was a third of a bridged request's CPU, and httpx ten
times the rest of it. What is hard is not ours: httptools parses, asyncio resolves, connects and encrypts.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from chat2response.errors import UpstreamTimeout, UpstreamUnreachable
from chat2response.net.connection import Connection
from chat2response.net.exchange import Cut, Exchange, Headers, cut_error

__all__ = ["Cut", "Exchange", "Headers", "Transport", "TransportOptions", "cut_error"]

_IDLE_SECONDS = 15.0  # an unused connection is closed before most servers would close it
_MAX_IDLE = 512  # connections kept per upstream


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Seconds: to connect; of silence, before the head and between reads."""

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    user_agent: str = "chat2response"


@dataclass(frozen=True, slots=True)
class Place:
    """A URL, taken apart once."""

    host: str
    port: int
    secure: bool
    target: str
    authority: str

    @classmethod
    def of(cls, url: str) -> "Place":
        """Raises UpstreamUnreachable for what is no http or https URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _bad_address(str(error)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad_address(f"{parts.scheme!r} is not http or https, or there is no host")
        secure = parts.scheme == "https"
        authority = parts.netloc.rpartition("@")[2]
        return cls(parts.hostname, port or (443 if secure else 80), secure, _target(parts), authority)


class Transport:
    """Opens exchanges. One per process; close it at the end."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._places: dict[str, Place] = {}
        self._free: dict[tuple[str, int, bool], list[Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._closed = False
        self._common = f"User-Agent: {options.user_agent}\r\nAccept-Encoding: identity\r\n"

    async def open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Exchange:
        """Sends the request and waits for the head.

        Raises UpstreamUnreachable (no connection, no readable head) and UpstreamTimeout. Redirects are not
        followed. Cancelling closes the connection.
        """
        place = self._places.get(url) or self._place(url)
        head = self._head(method, place, headers, body)
        connection = self._kept(place) or await self._connect(place)
        exchange = connection.send(head, body or b"")
        try:
            await exchange.head()
        except BaseException:
            connection.abort()
            raise
        return exchange

    async def close(self) -> None:
        """Closes the connections that are not in use; those that are will not be kept."""
        self._closed = True
        for connections in self._free.values():
            for connection in connections:
                connection.abort()
        self._free.clear()
        await asyncio.sleep(0)  # the loop tells them

    # -- connections ---------------------------------------------------------------------------------

    def _kept(self, place: Place) -> Connection | None:
        free = self._free.get((place.host, place.port, place.secure))
        while free:
            connection = free.pop()  # the one used last: the others may idle out
            if connection.usable:
                return connection
        return None

    async def _connect(self, place: Place) -> Connection:
        free = self._free.setdefault((place.host, place.port, place.secure), [])

        def keep(connection: Connection) -> None:
            if len(free) < _MAX_IDLE and not self._closed:
                free.append(connection)
            else:
                connection.abort()

        options = self._options
        try:
            async with asyncio.timeout(options.connect_timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(options.read_timeout, _IDLE_SECONDS, keep),
                    place.host,
                    place.port,
                    ssl=self._context() if place.secure else None,
                )
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream did not answer in time.", internal=repr(error)) from None
        except (OSError, ValueError) as error:
            raise UpstreamUnreachable("The upstream cannot be reached.", internal=repr(error)) from None
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    # -- requests ------------------------------------------------------------------------------------

    def _place(self, url: str) -> Place:
        """Upstream addresses are few; taking one apart costs as much as reading a small body."""
        place = Place.of(url)
        if len(self._places) < 256:
            self._places[url] = place
        return place

    def _head(self, method: str, place: Place, headers: dict[str, str], body: bytes | None) -> bytes:
        lines = [f"{method} {place.target} HTTP/1.1\r\nHost: {place.authority}\r\n{self._common}"]
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


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _bad_address(internal: str) -> UpstreamUnreachable:
    return UpstreamUnreachable("The upstream's address is not usable.", internal=internal)
