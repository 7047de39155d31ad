"""Real redis-servers: one for the whole run, emptied for each test, and own ones to be ill-treated.

`make test` puts a redis-server beside the interpreter (`tests/redis-server.sh`); else the machine's is taken.
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

PASSWORD = "secret p@ss/word"  # every character that an address has to escape


def binary() -> str:
    """The redis-server to run."""
    beside = Path(sys.executable).parent / "redis-server"
    found = str(beside) if beside.exists() else shutil.which("redis-server")
    assert found, "no redis-server: `make test` gets one, or install your system's package"
    return found


class RedisServer:
    """A redis-server on a free port of 127.0.0.1 and on a Unix socket, that keeps what it is told on disk."""

    def __init__(self, folder: Path, password: str | None = None, **more: str | tuple[str, ...]) -> None:
        """`more`: further settings, with `_` for `-` in their names; a value of several words is a tuple."""
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
        """Returns when it listens."""
        given: dict[str, str | tuple[str, ...]] = {
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
        for name, value in given.items():  # Redis 6.2 does not take several words as one
            options += [f"--{name}", *([value] if isinstance(value, str) else value)]
        self._process = subprocess.Popen(
            [binary(), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "ready to accept connections" in line.lower():
                break
        else:
            raise AssertionError(f"redis-server did not start: {''.join(said)}")
        self._drain = threading.Thread(target=self._process.stdout.read)
        self._drain.start()

    def pause(self) -> None:
        """Nothing is answered any more; connections stay."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """As `kill -9`."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        assert self._drain is not None
        assert self._process.stdout is not None
        self._process.wait()
        self._drain.join()
        self._process.stdout.close()
        self._process = None

    def stop(self) -> None:
        """Killed, if it still runs."""
        if self._process is not None:
            self.kill()

    def client(self) -> "redis.Redis":
        """A plain client, for looking at it from outside."""
        return redis.Redis(unix_socket_path=str(self.socket), password=self.password)

    def age(self, seconds: float) -> None:
        """Every key is so many seconds older: what would have expired by then is gone."""
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
    """The leases of a ledger, too, whose ends stand in its fields."""
    for field, value in client.hgetall(row).items():
        if field == b"tombstones":
            pairs = [each.split(b"=") for each in value.split(b";")[:-1]]
            client.hset(row, field, b"".join(b"%b=%d;" % (id, int(end) - by) for id, end in pairs))
            continue
        held, _, end = value.partition(b":")
        if end:
            client.hset(row, field, b"%s:%d" % (held, int(end) - by))
        elif field == b"next":
            client.hset(row, field, int(value) - by)


@contextmanager
def started(password: str | None = None, **more: str | tuple[str, ...]) -> Iterator[RedisServer]:
    """A server of one's own. Its folder has a short name: that of a socket must fit into 104 bytes."""
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
    """The run's server, empty."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServer]]:
    """`own_redis(password=None)`: a server that the test may pause, kill and start again."""
    with ExitStack() as stack:
        yield lambda password=None: stack.enter_context(started(password))
