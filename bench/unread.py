"""Clients that do not read: each requests a stream that is larger than all buffers on its way, and reads
nothing.

They come in two waves, one after the other: the second must reuse the memory of the first. The sockets
imitate distant clients (small segments, a small window); otherwise the kernel would buffer megabytes of each
answer.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.procs import Process

CLIENTS = 1000
MODEL = "unread-60000x16"
"""A stream of about 10 MiB for each client."""
_PROBE = 50
"""Clients of a first wave that warms the server up and shows the cost of one client."""
_MAX_MIB = 1024
"""If all clients would cost more memory, fewer come, and the figure is scaled up."""
_SEGMENT = 1460
_WINDOW = 4096
_IDLE_SECONDS = 1.0
"""Seconds of near idleness after which the server counts as idle."""
_IDLE_CPU = 0.06
"""Seconds of CPU that an idle gateway may use in that time, for changed keys and signals."""
_TIMEOUT = 180.0  # seconds


@dataclass(frozen=True, slots=True)
class Waves:
    """Memory over idle, in MiB, for 1,000 clients. `failed`: clients without a correct answer."""

    first_mib: float
    second_mib: float
    clients: int
    failed: int

    @property
    def added(self) -> float:
        """The memory that the second wave adds, in percent."""
        return max(0.0, (self.second_mib / self.first_mib - 1) * 100)


def measure(process: Process, port: int, request: bytes, idle_mib: float) -> Waves:
    """Sends both waves of `request`. Raises RuntimeError if the server does not become idle."""
    with _wave(process, port, request, _PROBE):
        each = (process.rss_mib() - idle_mib) / _PROBE
    clients = max(_PROBE, min(CLIENTS, int(_MAX_MIB / max(each, 0.01))))
    memory, failed = [], 0
    for _ in range(2):
        with _wave(process, port, request, clients) as sockets:
            memory.append((process.rss_mib() - idle_mib) * CLIENTS / clients)
            failed += sum(not _is_ok(sock) for sock in sockets)
    return Waves(memory[0], memory[1], clients, failed)


@contextlib.contextmanager
def _wave(process: Process, port: int, request: bytes, clients: int) -> Iterator[Sequence[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_unread(port, request)) for _ in range(clients)]
        until = time.monotonic() + _TIMEOUT
        while not all(map(_first_bytes, sockets)) and time.monotonic() < until:
            time.sleep(0.1)
        _wait_until_idle(process, until)
        yield sockets
    _wait_until_idle(process, time.monotonic() + _TIMEOUT)


def _unread(port: int, request: bytes) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request)
    return sock


def _first_bytes(sock: socket.socket) -> bytes:
    """The first bytes of the answer, without consuming them; empty if there are none yet."""
    try:
        return sock.recv(12, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, ConnectionResetError):
        return b""


def _is_ok(sock: socket.socket) -> bool:
    return _first_bytes(sock) == b"HTTP/1.1 200"


def _wait_until_idle(process: Process, until: float) -> None:
    """Waits until the server is idle."""
    cpu, idle_since = process.cpu_seconds(), time.monotonic()
    while time.monotonic() - idle_since < _IDLE_SECONDS:
        if time.monotonic() > until:
            raise RuntimeError(f"the server is still busy after {_TIMEOUT:.0f} s")
        time.sleep(0.1)
        now = process.cpu_seconds()
        if now - cpu > _IDLE_CPU:
            cpu, idle_since = now, time.monotonic()
    process.check()
