"""The HTTP transport: one aiohttp session, a POST or GET opened as an `Exchange`.

aiohttp costs a twentieth of httpx's CPU under concurrency; it is hidden behind these two classes and is
imported on first use. What it raises becomes errors of ours: before the head an `UpstreamError`, after it a
`Cut` with the `Fault` that ended the body.
"""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from chat2response.wire.machine import RESET, TIMEOUT, Fault

if TYPE_CHECKING:
    import aiohttp
    import yarl

Headers = tuple[tuple[bytes, bytes], ...]
"""As received: bytes, in order, names in the sender's case."""

MAX_BODY = 64 * 1024 * 1024  # bytes of an answer that is read whole
_DRAIN_SECONDS = 0.25  # how long the end of a finished stream is awaited, to keep its connection


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Seconds: to connect; of silence, before the head and between reads."""

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    user_agent: str = "chat2response"


class Cut(Exception):
    """The body ended early."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Exchange:
    """A response whose head has arrived. Close it in any case."""

    __slots__ = ("_content", "_response", "headers", "status")

    def __init__(self, response: "aiohttp.ClientResponse") -> None:
        self._response = response
        self._content = response.content
        self.status = response.status
        self.headers: Headers = response.raw_headers

    def header(self, name: str) -> str | None:
        """One header's value, by its name in any case."""
        return self._response.headers.get(name)

    async def chunk(self) -> bytes:
        """What has arrived, as one run of bytes; empty at the end. Raises Cut."""
        try:
            return await self._content.readany()
        except Cut:
            raise
        except TimeoutError:
            raise Cut(TIMEOUT) from None
        except (OSError, ValueError, _client_error()):
            raise Cut(RESET) from None

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """The whole body. Raises UpstreamError where it is cut, or larger than `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await self.chunk():
                size += len(piece)
                if size > limit:
                    raise UpstreamError("The upstream's answer is too large.", code="upstream_too_large")
                pieces.append(piece)
        except Cut as cut:
            raise cut_error(cut.fault) from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stop(self, fault: Fault) -> None:
        """Ends the body now: a pending or later `chunk()` raises Cut(fault)."""
        self._content.set_exception(Cut(fault))

    async def close(self, *, finished: bool = False) -> None:
        """Gives the connection back when the body was read to its end, else closes it.

        `finished`: all that matters was read; the few bytes of the end may still be on their way.
        """
        if finished and not self._content.is_eof():
            try:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await self.chunk():
                        continue
            except (TimeoutError, Cut):
                pass
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """Opens exchanges. One per process; close it at the end."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, yarl.URL] = {}

    async def open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Exchange:
        """Sends the request and waits for the head.

        Raises UpstreamUnreachable (no connection, no readable head) and UpstreamTimeout. Redirects are not
        followed. Cancelling closes the connection.
        """
        import aiohttp

        session = self._session or self._start()
        try:
            response = await session.request(
                method, self._url(url), data=body, headers=headers, allow_redirects=False
            )
        except TimeoutError as error:
            raise UpstreamTimeout("The upstream did not answer in time.", internal=repr(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamUnreachable("The upstream cannot be reached.", internal=repr(error)) from None
        return Exchange(response)

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    def _start(self) -> "aiohttp.ClientSession":
        import aiohttp

        options = self._options
        timeout = aiohttp.ClientTimeout(
            total=None, connect=options.connect_timeout, sock_read=options.read_timeout
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            headers={"User-Agent": options.user_agent, "Accept-Encoding": "identity"},
            skip_auto_headers=("Accept", "Content-Type"),
            trust_env=False,
        )
        return self._session

    def _url(self, url: str) -> "yarl.URL":
        """Upstream addresses are few, and parsing one costs as much as reading a small body."""
        known = self._urls.get(url)
        if known is None:
            import yarl

            known = yarl.URL(url, encoded=True)
            if len(self._urls) < 256:
                self._urls[url] = known
        return known


def warm() -> None:
    """Loads aiohttp, in whatever thread this is called."""
    import_module("aiohttp")


def cut_error(fault: Fault) -> UpstreamError:
    """A body cut before anything of it was used, as the error of the whole call."""
    if fault.cause == "timeout":
        return UpstreamTimeout(fault.message)
    return UpstreamUnreachable(fault.message)


def _client_error() -> type[Exception]:
    import aiohttp

    return aiohttp.ClientError
