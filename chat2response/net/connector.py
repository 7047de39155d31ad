"""How a connection to a place is made: straight, to a proxy, or through its tunnel; with TLS or without."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from chat2response.errors import UpstreamError
from chat2response.net.connection import Connection
from chat2response.net.endpoint import Place
from chat2response.net.proxies import Proxy
from chat2response.net.tunnel import Tunnel
from chat2response.net.unreachable import unreachable

Make = Callable[[], Connection]


class Dialler:
    """Makes connections. `ca_file`: certificates that are trusted beside the system's."""

    def __init__(self, user_agent: str, ca_file: Path | None = None) -> None:
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None

    async def connect(self, make: Make, place: Place) -> Connection:
        """A connection of `make`, ready for a request to `place`. Cancelling closes what was opened.

        Raises UpstreamUnreachable, TimeoutError, and UpstreamTimeout where a proxy says so.
        """
        proxy, connection = place.proxy, make()
        if proxy is not None and place.secure:
            return await self._through(proxy, connection, place)
        await self._open(connection, place if proxy is None else proxy)
        return connection

    async def _open(self, protocol: asyncio.BaseProtocol, there: Place | Proxy) -> None:
        context = self._context() if there.secure else None
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: protocol, there.host, there.port, ssl=context)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise unreachable(error, there) from None

    async def _through(self, proxy: Proxy, connection: Connection, place: Place) -> Connection:
        """TLS from us to `place`, in the tunnel that the proxy makes."""
        tunnel = Tunnel(place, proxy, self._user_agent)
        there: Place | Proxy = proxy
        try:
            await self._open(tunnel, proxy)
            inside = await tunnel.open()
            there = place
            transport = await asyncio.get_running_loop().start_tls(
                inside, connection, self._context(), server_hostname=place.host
            )
            if transport is None:  # the peer went while the last word was said
                raise ConnectionResetError
        except BaseException as error:
            tunnel.abort()
            if isinstance(error, OSError | ValueError) and not isinstance(
                error, TimeoutError | UpstreamError
            ):
                raise unreachable(error, there) from None
            raise
        connection.connection_made(transport)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._ca_file is not None:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls
