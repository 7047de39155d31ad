"""`Tap`: a port before the gateway that keeps what a client sends, as it passes."""

import asyncio
from types import TracebackType

from tests.support.e2e.gateway import Running


class Tap:
    """A context; `url` is the gateway's, by this way."""

    def __init__(self, gateway: Running) -> None:
        self.sent = b""
        """All that came, of all connections."""
        self._port = gateway.port
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> "Tap":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await asyncio.gather(*self._pipes)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def heads(self, method: str, path: str) -> list[str]:
        """The heads of the requests for `path`, in lower case."""
        begin = f"{method} {path}".encode()
        parts = [part.partition(b"\r\n\r\n")[0] for part in self.sent.split(begin)[1:]]
        return [part.decode("latin-1").lower() for part in parts]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink, keep in ((reader, back, True), (there, writer, False)):
            pipe = asyncio.create_task(self._pipe(source, sink, keep=keep))
            self._pipes.add(pipe)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, keep: bool) -> None:
        try:
            while data := await source.read(65536):
                if keep:
                    self.sent += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()
