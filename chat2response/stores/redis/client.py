"""Clients for each Redis topology: one server, a cluster, or a master behind Sentinels.

Notes on redis-py: timeouts and retries are arguments of the pool or the connections, because a pool ignores
those of the client. Retries are off, because a repeated command may run twice. Maintenance notifications, a
feature for a hosted product, are off, because they hide that the server has closed an idle connection. An
idle connection is checked before use (`connections.py`).
"""

from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chat2response.stores.redis.address import master, nodes, single
from chat2response.stores.redis.connections import IDLE_SECONDS, checked_class, sentinel_class


class RedisClient(Protocol):
    """The operations that differ between topologies. `client`: redis-py's, for commands of one key."""

    client: Any

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        """The values of several keys."""
        ...

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        """The next cursor, None at the end, and some keys. Raises ValueError for another store's cursor."""
        ...

    def subscriber(self) -> Any:
        """A separate client for a subscription. In a cluster, every server publishes all messages."""
        ...

    async def redial(self) -> None:
        """Close every connection, a busy one after its command: later calls reconnect by host name."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def create_client(url: str, *, deadline: float, pool_max: int) -> RedisClient:
    """For a valid address. `pool_max`: maximum connections per server. Nothing is connected yet."""
    kind = urlsplit(url).scheme.partition("+")[2]
    if kind == "cluster":
        return _Cluster(url, deadline, pool_max)
    return _Sentinel(url, deadline, pool_max) if kind == "sentinel" else _Server(url, deadline, pool_max)


_CHECKS: dict[str, Any] = {"health_check_interval": IDLE_SECONDS}
_SENTINEL_SHARE = 8  # a Sentinel has 1/8 of the deadline to answer, before a retry or the next Sentinel


def _scan_cursor(text: str) -> int:
    """Redis's cursor of a scan. Raises ValueError if no Redis could have returned it."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) >= 2**64:
        raise ValueError("not a scan cursor")
    return int(text)


def _options(deadline: float) -> dict[str, Any]:
    return {
        "socket_timeout": deadline,
        "socket_connect_timeout": deadline,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _url_options(url: str) -> dict[str, Any]:
    """Login, TLS and database of an address, as redis-py's arguments."""
    options: dict[str, Any] = dict(parse_url(single(url, "server")))
    options["ssl"] = options.pop("connection_class", None) is SSLConnection
    del options["host"]
    return options


async def _disconnect(connections: Iterable[Any]) -> None:
    """Close idle connections, without an await in which another task could take one of them."""
    for each in tuple(connections):
        await each.disconnect(nowait=True)


class _Server:
    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._url = url
        self._deadline = deadline
        options: dict[str, Any] = dict(parse_url(url))
        options["connection_class"] = checked_class(options.get("connection_class"))
        pool = BlockingConnectionPool(
            max_connections=pool_max, timeout=deadline, **options, **_options(deadline), **_CHECKS
        )
        self.client: Any = Redis.from_pool(pool)  # Any: its annotations mix sync and async results

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        values: list[bytes | None] = await self.client.mget(rows)
        return values

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        at, rows = await self.client.scan(_scan_cursor(cursor or "0"), match=pattern, count=count)
        return str(at) if at else None, rows

    def subscriber(self) -> Any:
        return Redis.from_url(self._url, **_options(self._deadline))

    async def redial(self) -> None:
        pool: Any = self.client.connection_pool
        await pool.update_active_connections_for_reconnect()
        await _disconnect(pool._available_connections)

    async def close(self) -> None:
        await self.client.aclose()


class _Sentinel(_Server):
    """Each new connection asks the Sentinels for the master; a failover breaks the connection."""

    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._deadline = deadline
        self._name = master(url)
        query = parse_qs(urlsplit(url).query)
        login = {
            name: query[f"sentinel_{name}"][0]
            for name in ("username", "password")
            if f"sentinel_{name}" in query
        }
        options = _url_options(url)
        tls = {name: value for name, value in options.items() if name.startswith("ssl")}
        timeouts = _options(deadline / _SENTINEL_SHARE)
        self._sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            nodes(url),
            sentinel_kwargs={
                **tls,
                **login,
                **timeouts,
                "retry": Retry(NoBackoff(), 1),
            },
            max_connections=pool_max,
            **options,
            **_options(deadline),
        )
        of_class = sentinel_class(tls=bool(options["ssl"]))
        self.client = self._sentinel.master_for(self._name, connection_class=of_class, **_CHECKS)

    def subscriber(self) -> Any:
        return self._sentinel.master_for(self._name)

    async def close(self) -> None:
        await self.client.aclose()
        for each in self._sentinel.sentinels:
            await each.aclose()


class _Cluster:
    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._url = url
        self._deadline = deadline
        self._nodes: Iterator[tuple[str, int]] = cycle(nodes(url))
        self.client: Any = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes(url)],
            max_connections=pool_max,
            **_url_options(url),
            **_options(deadline),
        )
        # RedisCluster has no argument for this. It applies to discovered nodes; startup nodes only list them.
        kwargs = self.client.connection_kwargs
        kwargs.update(_CHECKS, connection_class=checked_class(kwargs["connection_class"]))

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        values: list[bytes | None] = await self.client.mget_nonatomic(rows)
        return values

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        """One primary after the other, sorted by name."""
        await self.client.initialize()
        primaries = sorted(self.client.get_primaries(), key=lambda node: str(node.name))
        number, _, at = (cursor or "0:0").partition(":")
        if _scan_cursor(number) >= len(primaries):
            raise ValueError("not a server of this cluster")
        node = primaries[int(number)]
        start = _scan_cursor(at)
        cursors, rows = await self.client.scan(start, match=pattern, count=count, target_nodes=node)
        at = cursors[node.name]
        if at:
            return f"{number}:{at}", rows
        last = int(number) + 1 >= len(primaries)
        return None if last else f"{int(number) + 1}:0", rows

    def subscriber(self) -> Any:
        host, port = next(self._nodes)
        server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return Redis.from_url(single(self._url, server), **_options(self._deadline))

    async def redial(self) -> None:
        for node in self.client.get_nodes():
            node.update_active_connections_for_reconnect()
            await _disconnect(node._free)

    async def close(self) -> None:
        await self.client.aclose()
