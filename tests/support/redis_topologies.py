"""Redis topologies of several servers: a cluster of three; a master with a replica and a Sentinel."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from tests.support.free_ports import free_port
from tests.support.redis_server import PASSWORD, RedisServer, binary, started
from tests.support.stores.redis_tls import certificate

LOGIN = f":{quote(PASSWORD, safe='')}@"
PATIENCE = 60.0
SLOTS = 16384


@contextmanager
def cluster() -> Iterator[list[RedisServer]]:
    """Three primaries that share the slots, behind a password."""
    with ExitStack() as stack:
        own = {"cluster_enabled": "yes", "cluster_config_file": "nodes.conf", "cluster_node_timeout": "5000"}
        servers = [
            stack.enter_context(started(PASSWORD, masterauth=PASSWORD, save="", **own)) for _ in range(3)
        ]
        for number, server in enumerate(servers):
            first, last = (number * SLOTS) // 3, ((number + 1) * SLOTS) // 3
            with server.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(first, last))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port)
        for server in servers:
            _until(lambda server=server: _agrees(server))  # type: ignore[misc]
        yield servers


def _agrees(server: RedisServer) -> bool:
    with server.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
    fields = info if isinstance(info, dict) else dict(line.split(":") for line in str(info).splitlines())
    return fields["cluster_state"] == "ok" and fields["cluster_known_nodes"] == "3"


class SentinelSetup:
    """A master named `main`, its replica, and a Sentinel. `port`: the Sentinel's."""

    def __init__(self, port: int, master: RedisServer, replica: RedisServer) -> None:
        self.port = port
        self.master = master
        self.replica = replica

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/main"


@contextmanager
def sentinel_setup() -> Iterator[SentinelSetup]:
    """A master, its replica, and a Sentinel that promotes the replica when the master dies."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="c2r-")))
        master = stack.enter_context(started())
        replica = stack.enter_context(started(replicaof=("127.0.0.1", str(master.port))))
        port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        sentinel = subprocess.Popen(
            [binary(), str(config), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(sentinel.wait)
        stack.callback(sentinel.kill)
        _until(lambda: _knows_the_replica(port))
        yield SentinelSetup(port, master, replica)


def _knows_the_replica(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            replicas: Any = client.execute_command("SENTINEL REPLICAS main")
    except redis.ConnectionError:
        return False
    return len(replicas) == 1


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the servers do not find each other"
        time.sleep(0.05)


# -- shared by the whole run ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[list[RedisServer]]:
    """Three primaries; call `emptied` before a test."""
    with cluster() as servers:
        yield servers


@pytest.fixture(scope="session")
def shared_sentinel() -> Iterator[SentinelSetup]:
    """A master behind a Sentinel."""
    with sentinel_setup() as setup:
        yield setup


@pytest.fixture(scope="session")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, Path, Path]]:
    """A server with a password, and a certificate and key for TLS in front of it."""
    with started(PASSWORD) as server:
        yield (server, *certificate(tmp_path_factory.mktemp("tls")))


def emptied(servers: list[RedisServer]) -> list[RedisServer]:
    """Remove all keys from the servers; returns them."""
    for server in servers:
        with server.client() as client:
            client.flushall()
    return servers


def cluster_address(servers: list[RedisServer]) -> str:
    """The store address of a cluster with these startup nodes."""
    return f"redis+cluster://{LOGIN}" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
