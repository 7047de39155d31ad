"""A TCP proxy that can silently drop connections, like a firewall that has lost its state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class BlackHole:
    """In front of `port`. After `swallow()` the existing connections lose all data; new ones work."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.dials = 0
        self._lost: set[asyncio.StreamWriter] = set()
        self._live: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        """Drop all data of the existing connections, in both directions, without closing them."""
        self._lost |= self._live

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.dials += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._live.add(writer)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        directions = (self._pass(writer, reader, inner_writer), self._pass(writer, inner_reader, writer))
        try:
            with suppress(OSError, asyncio.CancelledError):  # cancelled: by `close`
                await asyncio.gather(*directions)
        finally:
            self._live.discard(writer)
            for each in (writer, inner_writer):
                each.close()

    async def _pass(
        self, connection: asyncio.StreamWriter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if connection not in self._lost:
                writer.write(data)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def black_hole(port: int) -> AsyncIterator[BlackHole]:
    """A running proxy on a free port."""
    hole = BlackHole(port)
    server = await asyncio.start_server(hole.serve, "127.0.0.1", 0)
    async with server:
        hole.port = server.sockets[0].getsockname()[1]
        try:
            yield hole
        finally:
            await hole.close()
