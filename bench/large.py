"""The largest bodies that the gateway takes, one after another, and what other clients feel of them.

While each is on its way, one connection asks for `/livez` without a pause. What counts is its longest wait,
the longest callback of the loop (`watched.py`) and the most memory.
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
"""Bytes of a body: the default of CHAT2RESPONSE_MAX_BODY_BYTES, and a little room."""
_CONTAINERS = 64_000
"""Arrays and objects in one: the gateway takes 65,536."""
_PATIENCE = 120.0


@dataclass(slots=True)
class Felt:
    """What was measured of one body. `livez_ms`: the longest wait; `callback_ms`: of the loop's CPU."""

    status: int = 0
    seconds: float = 0.0
    livez_ms: float = 0.0
    callback_ms: float = 0.0
    peak_mib: float = 0.0


def bodies(mode: Mode) -> Iterator[tuple[str, str, bytes]]:
    """Name, path and body: those of the mode, then those of `/convert`."""
    chat = mode == "relay-chat"
    path = "/v1/chat/completions" if chat else "/v1/responses"
    for name, text in (
        ("text", b"a" * SIZE),
        ("escapes", rb"\n" * (SIZE // 2)),
        ("quoted", rb"\"" * (SIZE // 2)),
        ("brackets", b"[{" * (SIZE // 2)),
    ):
        yield name, path, _asking(chat, b'"%b"' % text)
    one = b'{"role":"user","content":"%b"}'
    padding = b"a" * (SIZE // _CONTAINERS - len(one))
    yield "messages", path, _asking(chat, b"[%b]" % b",".join([one % padding] * _CONTAINERS))
    yield "keys", path, _asking(chat, b'"a"', b",".join(b'"k%d":1' % at for at in range(200_000)))
    yield "tools", path, _asking(chat, b'"a"', b'"tools":[%b]' % b",".join(_tools(chat)))
    yield "too many", path, _asking(chat, b'"a"', b'"x":[%b]' % b",".join([b"[]"] * (SIZE // 3)))
    if not chat:
        references = b",".join(b'{"id":"rs_%d"}' % at for at in range(_CONTAINERS))
        yield "references", path, _asking(chat, b"[%b]" % references)
    half = one % (b"a" * (4 * 1024 * 1024 // _CONTAINERS - len(one)))
    yield "convert", "/convert", _asking(True, b"[%b]" % b",".join([half] * (_CONTAINERS - 8)))


def _asking(chat: bool, content: bytes, more: bytes = b"") -> bytes:
    more = b"," + more if more else b""
    if not chat:
        return b'{"model":"json","store":false,"input":%b%b}' % (content, more)
    messages = content if content[:1] == b"[" else b'[{"role":"user","content":%b}]' % content
    return b'{"model":"json","messages":%b%b}' % (messages, more)


def _tools(chat: bool) -> Iterator[bytes]:
    for at in range(_CONTAINERS // 3):
        function = b'"name":"f%d","parameters":{"type":"object"}' % at
        yield b'{"type":"function",%b}' % (b'"function":{%b}' % function if chat else function)


def measure(process: Process, port: int, token: str, mode: Mode, log: Path) -> dict[str, Felt]:
    """Sends each body of the mode; what was felt, by its name."""
    return {name: _send(process, port, token, path, body, log) for name, path, body in bodies(mode)}


def _send(process: Process, port: int, token: str, path: str, body: bytes, log: Path) -> Felt:
    felt = Felt()
    read = log.stat().st_size if log.exists() else 0
    with _asked_meanwhile(process, port, felt):
        began = time.monotonic()
        felt.status = _post(port, token, path, body)
        felt.seconds = time.monotonic() - began
    callbacks = log.read_text()[read:].split() if log.exists() else []
    felt.callback_ms = max(map(float, callbacks), default=0.0)
    return felt


def _post(port: int, token: str, path: str, body: bytes) -> int:
    """The status of the answer; of one that came before the body was sent, too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
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
class _Asker:
    port: int
    felt: Felt
    process: Process
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE) as link:
            while not self.over.is_set():
                began = time.monotonic()
                link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                if not link.recv(4096):
                    return
                self.felt.livez_ms = max(self.felt.livez_ms, (time.monotonic() - began) * 1000)
                self.felt.peak_mib = max(self.felt.peak_mib, self.process.rss_mib())
                time.sleep(0.001)


@contextmanager
def _asked_meanwhile(process: Process, port: int, felt: Felt) -> Iterator[None]:
    asker = _Asker(port, felt, process)
    thread = threading.Thread(target=asker.run)
    thread.start()
    try:
        yield
    finally:
        asker.over.set()
        thread.join()
