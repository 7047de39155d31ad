"""How a connection to a place is made: straight, to a proxy, or through its tunnel; with TLS or without."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from chat2response.errors import UpstreamUnreachable
from chat2response.net.connection import Connection
from chat2response.net.place import Place
from chat2response.net.proxies import Proxy
from chat2response.net.tunnel import Tunnel

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
        proxy = place.proxy
        try:
            if proxy is not None and place.secure:
                return await self._through(proxy, make(), place)
            there: Place | Proxy = place if proxy is None else proxy
            connection = make()
            await self._open(connection, there)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            who = "upstream" if proxy is None else "upstream, or the outbound proxy before it,"
            raise UpstreamUnreachable(f"The {who} cannot be reached.", internal=repr(error)) from None
        return connection

    async def _open(self, protocol: asyncio.BaseProtocol, there: Place | Proxy) -> None:
        context = self._context() if there.secure else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: protocol, there.host, there.port, ssl=context)

    async def _through(self, proxy: Proxy, connection: Connection, place: Place) -> Connection:
        """TLS from us to `place`, in the tunnel that the proxy makes."""
        tunnel = Tunnel(place, proxy, self._user_agent)
        try:
            await self._open(tunnel, proxy)
            transport = await asyncio.get_running_loop().start_tls(
                await tunnel.open(), connection, self._context(), server_hostname=place.host
            )
        except BaseException:
            tunnel.abort()
            raise
        if transport is None:  # the peer went while the last word was said
            raise ConnectionResetError
        connection.connection_made(transport)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._ca_file is not None:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls
