"""An upstream and a client in threads of their own, so that a profiler of the gateway's thread sees neither.

The upstream sends a part of a stream after the client has read the part before it: every part is one network
read of the gateway, however slow the machine is.
"""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.scripted_upstream import PATIENCE

_CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
WHOLE = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Three degrees."},
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
    }
).encode()


def deltas(count: int) -> list[bytes]:
    """The events of `count` text deltas, all alike."""
    choice = {"index": 0, "delta": {"content": "snow "}}
    return [b"data: %b\n\n" % json.dumps({**_CHUNK, "choices": [choice]}).encode()] * count


def _last_events() -> bytes:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunk = {**_CHUNK, "choices": [choice], "usage": _USAGE}
    return b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode()


class LockstepUpstream:
    """A Chat server for one connection at a time. `parts`: what the next stream sends before its end."""

    def __init__(self) -> None:
        self.parts: Sequence[bytes] = ()
        self.was_read = threading.Semaphore(0)
        """Released by the client for each part that it has read."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        """Answers requests until the gateway closes its connection."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            while (body := read_message(connection)) is not None:
                if json.loads(body).get("stream"):
                    self._stream(connection)
                else:
                    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                    connection.sendall(head % len(WHOLE) + WHOLE)

    def close(self) -> None:
        """Stops listening."""
        self._listener.close()

    def _stream(self, connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        for part in self.parts:
            connection.sendall(b"%b%x\r\n%b\r\n" % (head, len(part), part))
            head = b""
            assert self.was_read.acquire(timeout=PATIENCE)
        end = _last_events()
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(end), end))


@contextmanager
def lockstep_upstream() -> Iterator[LockstepUpstream]:
    """Runs an upstream in a thread."""
    upstream = LockstepUpstream()
    thread = threading.Thread(target=upstream.serve, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        upstream.close()


class LockstepClient:
    """A client with one connection, which blocks: call it in a thread."""

    def __init__(self, port: int, key: str, upstream: LockstepUpstream) -> None:
        self._upstream = upstream
        self._key = key
        self._connection = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def whole(self, path: str, body: dict[str, Any]) -> bytes:
        """Posts, and returns the body of the answer."""
        self._post(path, body)
        answer = read_message(self._connection)
        assert answer is not None
        return answer

    def stream(self, path: str, body: dict[str, Any], parts: Sequence[bytes], event: bytes) -> None:
        """Reads a stream to its end. `event`: its bytes are in the answer once for each delta."""
        self._upstream.parts = parts
        self._post(path, {**body, "stream": True})
        data, seen = b"", 0
        for part in parts:
            seen += part.count(b"data: ")
            while data.count(event) < seen:
                data += self._read()
            self._upstream.was_read.release()
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += self._read()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "User-Agent: lockstep/1",
            "Accept: application/json",
            f"Authorization: Bearer {self._key}",
            "Content-Type: application/json",
            f"Content-Length: {len(encoded)}",
            "\r\n",
        )
        self._connection.sendall("\r\n".join(lines).encode() + encoded)

    def _read(self) -> bytes:
        data = self._connection.recv(65_536)
        assert data, "the gateway closed the connection"
        return data


def read_message(connection: socket.socket) -> bytes | None:
    """The body of the next HTTP message that has a length; None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return body
