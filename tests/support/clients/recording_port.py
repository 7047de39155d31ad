"""`RecordingProxy`: a TCP proxy in front of the gateway that records what a client sends."""

import asyncio
from types import TracebackType

from tests.support.e2e.gateway import Running


class RecordingProxy:
    """A proxy, as a context manager; clients use its `url` in place of the gateway's."""

    def __init__(self, gateway: Running) -> None:
        self.sent = b""
        """All bytes that clients sent, on all connections."""
        self._port = gateway.port
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> "RecordingProxy":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await asyncio.gather(*self._pipes)

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def heads(self, method: str, path: str) -> list[str]:
        """The heads of the requests for `path`, in lower case, without the method and path."""
        prefix = f"{method} {path}".encode()
        parts = [part.partition(b"\r\n\r\n")[0] for part in self.sent.split(prefix)[1:]]
        return [part.decode("latin-1").lower() for part in parts]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gateway_reader, gateway_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink, record in ((reader, gateway_writer, True), (gateway_reader, writer, False)):
            pipe = asyncio.create_task(self._pipe(source, sink, record=record))
            self._pipes.add(pipe)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, record: bool) -> None:
        try:
            while data := await source.read(65536):
                if record:
                    self.sent += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()
