"""`Connector`: connects to an endpoint directly, to its proxy, or through the proxy's tunnel."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from chat2response.errors import UpstreamError
from chat2response.net.connection import Connection
from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Proxy
from chat2response.net.tunnel import Tunnel
from chat2response.net.unreachable import unreachable

ConnectionFactory = Callable[[], Connection]


class Connector:
    """Opens connections. `ca_file`: CA certificates to trust in addition to the system's."""

    def __init__(self, user_agent: str, ca_file: Path | None = None) -> None:
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None

    async def connect(self, create: ConnectionFactory, endpoint: Endpoint) -> Connection:
        """Returns a connection by `create`, ready for a request to `endpoint`. Cancelling closes it.

        Raises UpstreamUnreachable, TimeoutError, and UpstreamTimeout if a proxy reports one.
        """
        proxy, connection = endpoint.proxy, create()
        if proxy is not None and endpoint.secure:
            return await self._open_tunnel(proxy, connection, endpoint)
        await self._open(connection, endpoint if proxy is None else proxy)
        return connection

    async def _open(self, protocol: asyncio.BaseProtocol, peer: Endpoint | Proxy) -> None:
        context = self._context() if peer.secure else None
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: protocol, peer.host, peer.port, ssl=context)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise unreachable(error, peer) from None

    async def _open_tunnel(self, proxy: Proxy, connection: Connection, endpoint: Endpoint) -> Connection:
        """Opens a tunnel through the proxy, and TLS to `endpoint` inside it."""
        tunnel = Tunnel(endpoint, proxy, self._user_agent)
        peer: Endpoint | Proxy = proxy
        try:
            await self._open(tunnel, proxy)
            inside = await tunnel.open()
            peer = endpoint
            transport = await asyncio.get_running_loop().start_tls(
                inside, connection, self._context(), server_hostname=endpoint.host
            )
            if transport is None:  # the peer closed the connection during the handshake
                raise ConnectionResetError
        except BaseException as error:
            tunnel.abort()
            if isinstance(error, OSError | ValueError) and not isinstance(
                error, TimeoutError | UpstreamError
            ):
                raise unreachable(error, peer) from None
            raise
        connection.connection_made(transport)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._ca_file is not None:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls
