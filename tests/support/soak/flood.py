"""An upstream that says a lot, as fast as it is read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.e2e.scripted_model import ModelReply

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_PIECES = 200  # in one write


@asynccontextmanager
async def flood(dialect: str, size: int) -> AsyncIterator[str]:
    """Its address. Each stream has about `size` bytes, and waits for whoever does not read it."""
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
    """Many deltas, and what stands before and behind all of them."""
    reply = ModelReply(text=("word " * 20,))
    events = list(reply.chunks()) if dialect == "chat" else reply.events()
    frames = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
    if dialect == "responses":
        frames = [b"event: %b\n%b" % (e["type"].encode(), f) for e, f in zip(events, frames, strict=True)]
    at = next(n for n, frame in enumerate(frames) if b"word" in frame)
    done = b"data: [DONE]\n\n" if dialect == "chat" else b""
    return frames[at] * _PIECES, b"".join(frames[:at]), b"".join(frames[at + 1 :]) + done
