"""Clients for each way in which Redis is run: one server, a cluster, or a master that Sentinels watch.

What is known of redis-py and minded here: timeouts and retries are given to the pool or the connections, for
a pool knows no others; nothing is repeated by itself, for a repeated command may run twice; maintenance
notifications, which are for a hosted product, hide that the server has closed an idle connection. An idle
connection is checked before use (`redis_connections`).
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
from chat2response.stores.redis.connections import IDLE_SECONDS, checked, watched


class Reach(Protocol):
    """How a Redis is reached. `client`: for commands of one key."""

    client: Any

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        """The values of several keys."""
        ...

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        """Some keys, and where to go on; None at the end. Raises ValueError for a cursor of another store."""
        ...

    def listener(self) -> Any:
        """A client of its own for a subscription. In a cluster, every server tells all messages."""
        ...

    async def redial(self) -> None:
        """Close every connection, those in use when their command is done: later calls dial anew, by name."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


def reach(url: str, *, deadline: float, pool_max: int) -> Reach:
    """By a checked address. `pool_max`: connections to one server at most. Nothing is connected yet."""
    kind = urlsplit(url).scheme.partition("+")[2]
    if kind == "cluster":
        return _Cluster(url, deadline, pool_max)
    return _Watched(url, deadline, pool_max) if kind == "sentinel" else _Server(url, deadline, pool_max)


_CHECKS: dict[str, Any] = {"health_check_interval": IDLE_SECONDS}
_SENTINELS = 8  # one that does not answer in this part of the deadline is asked anew, or left for the next


def _place(text: str) -> int:
    """Where a scan goes on. Raises ValueError for what no Redis has told."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) >= 2**64:
        raise ValueError("no cursor of a scan")
    return int(text)


def _options(deadline: float) -> dict[str, Any]:
    return {
        "socket_timeout": deadline,
        "socket_connect_timeout": deadline,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _given(url: str) -> dict[str, Any]:
    """Login, TLS and database of an address, as the names of options."""
    given: dict[str, Any] = dict(parse_url(single(url, "server")))
    given["ssl"] = given.pop("connection_class", None) is SSLConnection
    del given["host"]
    return given


async def _hang_up(connections: Iterable[Any]) -> None:
    """Close idle connections, without a pause in which somebody could take one of them."""
    for each in tuple(connections):
        await each.disconnect(nowait=True)


class _Server:
    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._url = url
        self._deadline = deadline
        given: dict[str, Any] = dict(parse_url(url))
        given["connection_class"] = checked(given.get("connection_class"))
        pool = BlockingConnectionPool(
            max_connections=pool_max, timeout=deadline, **given, **_options(deadline), **_CHECKS
        )
        self.client: Any = Redis.from_pool(pool)  # its annotations are of sync and async calls at once

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        values: list[bytes | None] = await self.client.mget(rows)
        return values

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        at, rows = await self.client.scan(_place(cursor or "0"), match=pattern, count=count)
        return str(at) if at else None, rows

    def listener(self) -> Any:
        return Redis.from_url(self._url, **_options(self._deadline))

    async def redial(self) -> None:
        pool: Any = self.client.connection_pool
        await pool.update_active_connections_for_reconnect()
        await _hang_up(pool._available_connections)

    async def close(self) -> None:
        await self.client.aclose()


class _Watched(_Server):
    """The master is asked for with each new connection; a change of it is a broken connection."""

    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._deadline = deadline
        self._name = master(url)
        query = parse_qs(urlsplit(url).query)
        login = {
            name: query[f"sentinel_{name}"][0]
            for name in ("username", "password")
            if f"sentinel_{name}" in query
        }
        given = _given(url)
        tls = {name: value for name, value in given.items() if name.startswith("ssl")}
        asked = _options(deadline / _SENTINELS)
        self._sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            nodes(url),
            sentinel_kwargs={
                **tls,
                **login,
                **asked,
                "retry": Retry(NoBackoff(), 1),
            },
            max_connections=pool_max,
            **given,
            **_options(deadline),
        )
        of_class = watched(tls=bool(given["ssl"]))
        self.client = self._sentinel.master_for(self._name, connection_class=of_class, **_CHECKS)

    def listener(self) -> Any:
        return self._sentinel.master_for(self._name)

    async def close(self) -> None:
        await self.client.aclose()
        for each in self._sentinel.sentinels:
            await each.aclose()


class _Cluster:
    def __init__(self, url: str, deadline: float, pool_max: int) -> None:
        self._url = url
        self._deadline = deadline
        self._turns: Iterator[tuple[str, int]] = cycle(nodes(url))
        self.client: Any = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes(url)],
            max_connections=pool_max,
            **_given(url),
            **_options(deadline),
        )
        # No argument is for it. Servers that are found have it; those of the address are only asked for them.
        kwargs = self.client.connection_kwargs
        kwargs.update(_CHECKS, connection_class=checked(kwargs["connection_class"]))

    async def mget(self, rows: list[bytes]) -> list[bytes | None]:
        values: list[bytes | None] = await self.client.mget_nonatomic(rows)
        return values

    async def scan(self, cursor: str | None, pattern: bytes, count: int) -> tuple[str | None, list[bytes]]:
        """One primary after the other, in the order of their names."""
        await self.client.initialize()
        primaries = sorted(self.client.get_primaries(), key=lambda node: str(node.name))
        number, _, at = (cursor or "0:0").partition(":")
        if _place(number) >= len(primaries):
            raise ValueError("no server of this cluster")
        node = primaries[int(number)]
        following, rows = await self.client.scan(_place(at), match=pattern, count=count, target_nodes=node)
        at = following[node.name]
        if at:
            return f"{number}:{at}", rows
        last = int(number) + 1 >= len(primaries)
        return None if last else f"{int(number) + 1}:0", rows

    def listener(self) -> Any:
        host, port = next(self._turns)
        server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return Redis.from_url(single(self._url, server), **_options(self._deadline))

    async def redial(self) -> None:
        for node in self.client.get_nodes():
            node.update_active_connections_for_reconnect()
            await _hang_up(node._free)

    async def close(self) -> None:
        await self.client.aclose()
