"""Sends the largest bodies that the gateway accepts, one by one, and measures the effect on other clients.

During each, one connection polls `/livez` without a pause. The figures are its longest wait, the longest
callback of the event loop (`watched.py`) and the peak memory.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bodies import Mode
from bench.procs import Process

SIZE = 32 * 1024 * 1024 - 1024
"""Bytes of a body: slightly below the default of CHAT2RESPONSE_MAX_BODY_BYTES."""
_CONTAINERS = 64_000
"""Arrays and objects in one body; the gateway accepts 65,536."""
_TIMEOUT = 120.0  # seconds


@dataclass(slots=True)
class Measured:
    """The figures for one body.

    `livez_ms`: the longest wait. `callback_ms`: CPU of the loop's longest callback.
    """

    status: int = 0
    seconds: float = 0.0
    livez_ms: float = 0.0
    callback_ms: float = 0.0
    peak_mib: float = 0.0


def bodies(mode: Mode) -> Iterator[tuple[str, str, bytes]]:
    """Name, path and body of each request of the mode, then of `/convert`."""
    chat = mode == "relay-chat"
    path = "/v1/chat/completions" if chat else "/v1/responses"
    for name, text in (
        ("text", b"a" * SIZE),
        ("escapes", rb"\n" * (SIZE // 2)),
        ("quoted", rb"\"" * (SIZE // 2)),
        ("brackets", b"[{" * (SIZE // 2)),
    ):
        yield name, path, _request_body(chat, b'"%b"' % text)
    one = b'{"role":"user","content":"%b"}'
    padding = b"a" * (SIZE // _CONTAINERS - len(one))
    yield "messages", path, _request_body(chat, b"[%b]" % b",".join([one % padding] * _CONTAINERS))
    yield "keys", path, _request_body(chat, b'"a"', b",".join(b'"k%d":1' % at for at in range(200_000)))
    yield "tools", path, _request_body(chat, b'"a"', b'"tools":[%b]' % b",".join(_tools(chat)))
    yield "too many", path, _request_body(chat, b'"a"', b'"x":[%b]' % b",".join([b"[]"] * (SIZE // 3)))
    if not chat:
        references = b",".join(b'{"id":"rs_%d"}' % at for at in range(_CONTAINERS))
        yield "references", path, _request_body(chat, b"[%b]" % references)
    half = one % (b"a" * (4 * 1024 * 1024 // _CONTAINERS - len(one)))
    yield "convert", "/convert", _request_body(True, b"[%b]" % b",".join([half] * (_CONTAINERS - 8)))


def _request_body(chat: bool, content: bytes, more: bytes = b"") -> bytes:
    more = b"," + more if more else b""
    if not chat:
        return b'{"model":"json","store":false,"input":%b%b}' % (content, more)
    messages = content if content[:1] == b"[" else b'[{"role":"user","content":%b}]' % content
    return b'{"model":"json","messages":%b%b}' % (messages, more)


def _tools(chat: bool) -> Iterator[bytes]:
    for at in range(_CONTAINERS // 3):
        function = b'"name":"f%d","parameters":{"type":"object"}' % at
        yield b'{"type":"function",%b}' % (b'"function":{%b}' % function if chat else function)


def measure(process: Process, port: int, token: str, mode: Mode, log: Path) -> dict[str, Measured]:
    """Sends each body of the mode; what was felt, by its name."""
    return {name: _send(process, port, token, path, body, log) for name, path, body in bodies(mode)}


def _send(process: Process, port: int, token: str, path: str, body: bytes, log: Path) -> Measured:
    measured = Measured()
    read = log.stat().st_size if log.exists() else 0
    with _polling_livez(process, port, measured):
        started = time.monotonic()
        measured.status = _post(port, token, path, body)
        measured.seconds = time.monotonic() - started
    callbacks = log.read_text()[read:].split() if log.exists() else []
    measured.callback_ms = max(map(float, callbacks), default=0.0)
    return measured


def _post(port: int, token: str, path: str, body: bytes) -> int:
    """The status of the answer, also if that came before the body was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (BrokenPipeError, ConnectionResetError):
        return 413
    finally:
        connection.close()


@dataclass(slots=True)
class _LivezPoller:
    port: int
    measured: Measured
    process: Process
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=_TIMEOUT) as connection:
            while not self.over.is_set():
                started = time.monotonic()
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                if not connection.recv(4096):
                    return
                self.measured.livez_ms = max(self.measured.livez_ms, (time.monotonic() - started) * 1000)
                self.measured.peak_mib = max(self.measured.peak_mib, self.process.rss_mib())
                time.sleep(0.001)


@contextmanager
def _polling_livez(process: Process, port: int, measured: Measured) -> Iterator[None]:
    poller = _LivezPoller(port, measured, process)
    thread = threading.Thread(target=poller.run)
    thread.start()
    try:
        yield
    finally:
        poller.over.set()
        thread.join()
