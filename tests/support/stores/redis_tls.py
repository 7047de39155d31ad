"""A TLS proxy in front of a redis-server, with a self-signed certificate.

The proxy is needed because a redis-server may have been built without TLS.
"""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from tests.support.redis_server import PASSWORD

_OPENSSL = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost`, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [*_OPENSSL.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return cert, key


@asynccontextmanager
async def tls_in_front(path: Path, cert: Path, key: Path) -> AsyncIterator[int]:
    """Serve TLS on a port of 127.0.0.1 for the server at a Unix socket; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            for each in (inner_writer, writer):
                each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def tls_address(port: int, cert: Path) -> str:
    """The store address for such a port."""
    return f"rediss://:{quote(PASSWORD, safe='')}@localhost:{port}?ssl_ca_certs={quote(str(cert))}"
