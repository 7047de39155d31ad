"""An upstream that sends long streams as fast as they are read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.e2e.scripted_model import ModelReply

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_PIECES = 200  # deltas in one write


@asynccontextmanager
async def flood(dialect: str, size: int) -> AsyncIterator[str]:
    """Starts the upstream; its URL. Each stream has about `size` bytes, and stalls while it is not read."""
    batch, opening, ending = _frames(dialect)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await reader.readexactly(int(lines.get(b"content-length", b"0")))
            writer.write(_HEAD + opening)
            for _ in range(max(1, size // len(batch))):
                writer.write(batch)
                await writer.drain()
            writer.write(ending)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def _frames(dialect: str) -> tuple[bytes, bytes, bytes]:
    """A batch of deltas, the frames before all deltas, and the frames after them."""
    answer = ModelReply(text=("word " * 20,))
    events = list(answer.chunks()) if dialect == "chat" else answer.events()
    frames = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
    if dialect == "responses":
        frames = [b"event: %b\n%b" % (e["type"].encode(), f) for e, f in zip(events, frames, strict=True)]
    at = next(n for n, frame in enumerate(frames) if b"word" in frame)
    done = b"data: [DONE]\n\n" if dialect == "chat" else b""
    return frames[at] * _PIECES, b"".join(frames[:at]), b"".join(frames[at + 1 :]) + done
