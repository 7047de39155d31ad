"""Clients that do not read: each asks for a stream longer than all buffers on the way, and reads none.

They come in two waves, the second when the first has gone: what the first one cost must be used again. Their
sockets are those of a client far away (small segments, a small window), or the kernel would take megabytes of
each answer off the server.
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
"""Some 10 MiB for each client."""
_PROBE = 50
"""Clients that come before: they bring the server to its measured state, and tell what one costs."""
_MOST_MIB = 1024
"""Fewer clients come to a server that they would cost more; its figure is that of so many, scaled."""
_SEGMENT = 1460
_WINDOW = 4096
_QUIET = 1.0
"""Seconds with next to no work of the server, after which it has done what it can."""
_IDLING = 0.06
"""Seconds of CPU in that time: an idle gateway looks for changed keys, and for a signal to stop."""
_PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Waves:
    """Memory over idle, in MiB, as 1,000 clients would take it. `failed`: clients without a good answer."""

    first_mib: float
    second_mib: float
    clients: int
    failed: int

    @property
    def added(self) -> float:
        """What the second wave adds, in percent."""
        return max(0.0, (self.second_mib / self.first_mib - 1) * 100)


def measure(process: Process, port: int, request: bytes, idle_mib: float) -> Waves:
    """Sends both waves of `request`. Raises RuntimeError when the server does not come to rest."""
    with _wave(process, port, request, _PROBE):
        each = (process.rss_mib() - idle_mib) / _PROBE
    clients = max(_PROBE, min(CLIENTS, int(_MOST_MIB / max(each, 0.01))))
    taken, failed = [], 0
    for _ in range(2):
        with _wave(process, port, request, clients) as links:
            taken.append((process.rss_mib() - idle_mib) * CLIENTS / clients)
            failed += sum(not _begins_well(link) for link in links)
    return Waves(taken[0], taken[1], clients, failed)


@contextlib.contextmanager
def _wave(process: Process, port: int, request: bytes, clients: int) -> Iterator[Sequence[socket.socket]]:
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(_unread(port, request)) for _ in range(clients)]
        until = time.monotonic() + _PATIENCE
        while not all(map(_begun, links)) and time.monotonic() < until:
            time.sleep(0.1)
        _rest(process, until)
        yield links
    _rest(process, time.monotonic() + _PATIENCE)


def _unread(port: int, request: bytes) -> socket.socket:
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    link.connect(("127.0.0.1", port))
    link.sendall(request)
    return link


def _begun(link: socket.socket) -> bytes:
    """The first bytes of the answer, which stay unread; none as long as there are none."""
    try:
        return link.recv(12, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, ConnectionResetError):
        return b""


def _begins_well(link: socket.socket) -> bool:
    return _begun(link) == b"HTTP/1.1 200"


def _rest(process: Process, until: float) -> None:
    """Returns when the server works no more."""
    spent, since = process.cpu_seconds(), time.monotonic()
    while time.monotonic() - since < _QUIET:
        if time.monotonic() > until:
            raise RuntimeError(f"the server still works after {_PATIENCE:.0f} s")
        time.sleep(0.1)
        now = process.cpu_seconds()
        if now - spent > _IDLING:
            spent, since = now, time.monotonic()
    process.check()
