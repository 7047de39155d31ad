"""Real redis-servers: one for the whole test run, emptied for each test, and servers that tests may kill.

`make test` installs a redis-server beside the interpreter (`tests/redis-server.sh`); otherwise the machine's
is used.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.free_ports import free_port

PASSWORD = "secret p@ss/word"  # with characters that an address must percent-encode


def binary() -> str:
    """The path of redis-server."""
    local = Path(sys.executable).parent / "redis-server"
    path = str(local) if local.exists() else shutil.which("redis-server")
    assert path, "no redis-server: run `make test`, which installs one, or install your system's package"
    return path


class RedisServer:
    """A redis-server on a free port of 127.0.0.1 and on a Unix socket, with its data on disk."""

    def __init__(self, folder: Path, password: str | None = None, **more: str | tuple[str, ...]) -> None:
        """`more`: further settings, with `_` for `-` in their names; a tuple for several values."""
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.password = password
        self.more = {name.replace("_", "-"): value for name, value in more.items()}
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address over TCP, without a password."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix(self) -> str:
        """Its address over the Unix socket."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server; it accepts connections on return."""
        settings: dict[str, str | tuple[str, ...]] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            **({"requirepass": self.password} if self.password else {}),
            **self.more,
        }
        options: list[str] = []
        for name, value in settings.items():  # Redis 6.2 needs an argument for each of several values
            options += [f"--{name}", *([value] if isinstance(value, str) else value)]
        self._process = subprocess.Popen(
            [binary(), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        output = []
        for line in self._process.stdout:
            output.append(line)
            if "ready to accept connections" in line.lower():
                break
        else:
            raise AssertionError(f"redis-server did not start: {''.join(output)}")
        self._drain = threading.Thread(target=self._process.stdout.read)
        self._drain.start()

    def pause(self) -> None:
        """Suspend the process: it does not reply, but connections stay open."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        assert self._drain is not None
        assert self._process.stdout is not None
        self._process.wait()
        self._drain.join()
        self._process.stdout.close()
        self._process = None

    def stop(self) -> None:
        """Kill the process if it is running."""
        if self._process is not None:
            self.kill()

    def client(self) -> "redis.Redis":
        """A plain client, to inspect the server."""
        return redis.Redis(unix_socket_path=str(self.socket), password=self.password)

    def age(self, seconds: float) -> None:
        """Make every key so many seconds older; keys that expire by that are removed."""
        with self.client() as client:
            age(client, seconds)

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def age(client: "redis.Redis", seconds: float) -> None:
    """Every key of this client's server is so many seconds older."""
    for row in client.scan_iter():
        left = client.pttl(row)
        assert isinstance(left, int)
        if left >= 0:
            client.pexpire(row, left - int(seconds * 1000))
        if client.type(row) == b"hash":
            _age_ledger(client, row, int(seconds * 1000))


def _age_ledger(client: Any, row: bytes, by: int) -> None:
    """Also make a ledger's leases older, whose ends are in its fields."""
    for field, value in client.hgetall(row).items():
        if field == b"tombstones":
            pairs = [each.split(b"=") for each in value.split(b";")[:-1]]
            client.hset(row, field, b"".join(b"%b=%d;" % (id, int(end) - by) for id, end in pairs))
            continue
        amount, _, end = value.partition(b":")
        if end:
            client.hset(row, field, b"%s:%d" % (amount, int(end) - by))
        elif field == b"next":
            client.hset(row, field, int(value) - by)


@contextmanager
def started(password: str | None = None, **more: str | tuple[str, ...]) -> Iterator[RedisServer]:
    """A separate server. Its folder has a short name, because a socket's path is limited to 104 bytes."""
    with tempfile.TemporaryDirectory(prefix="c2r-") as folder:
        server = RedisServer(Path(folder), password, **more)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with started() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The shared server, emptied."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServer]]:
    """`own_redis(password=None)`: a separate server that the test may pause, kill and restart."""
    with ExitStack() as stack:
        yield lambda password=None: stack.enter_context(started(password))
