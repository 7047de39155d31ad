"""Connections to Redis that are checked before use when they were idle.

A firewall or a NAT forgets an idle connection without a word: what is sent into it is lost, and no answer
comes. So a connection that was idle for `IDLE_SECONDS` is asked for a sign of life before a command goes into
it, and dialled again where none comes. The command was not sent then, so this is safe for every command. TCP
keepalive, which keeps a path open, is redis-py's default (after 30 s of silence).
"""

import asyncio
from contextlib import suppress
from typing import Any

import redis.exceptions as faults
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

IDLE_SECONDS = 1.0
_OF_DEADLINE = 8  # a sign of life may take this part of the time for a connection


class _Checked(AbstractConnection):
    """Mixed into a connection class of redis-py. `next_health_check` moves with every answer."""

    _greeting = False

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Called where it is dialled: login and all that are commands, too."""
        self._greeting = True
        try:
            await super().connect_check_health(*args, **options)
        finally:
            self._greeting = False

    async def check_health(self) -> None:
        """Called before each command is sent."""
        if self._greeting or asyncio.get_running_loop().time() <= self.next_health_check:
            return
        try:
            async with asyncio.timeout((self.socket_connect_timeout or 1.0) / _OF_DEADLINE):
                await self._send_ping()  # type: ignore[no-untyped-call]
        except (faults.ConnectionError, faults.TimeoutError, OSError):  # OSError: asyncio's TimeoutError, too
            with suppress(faults.RedisError, OSError):
                await self.disconnect(nowait=True)
            await self.connect()  # type: ignore[no-untyped-call]


class _Plain(_Checked, Connection):
    pass


class _Tls(_Checked, SSLConnection):
    pass


class _Unix(_Checked, UnixDomainSocketConnection):
    pass


class _Watched(_Checked, SentinelManagedConnection):
    pass


class _WatchedTls(_Checked, SentinelManagedSSLConnection):
    pass


_CHECKED: dict[type, type] = {
    Connection: _Plain,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def checked(connection_class: type | None) -> type:
    """The class that does the same, and is checked; None: that of plain TCP."""
    return _CHECKED[connection_class or Connection]


def watched(*, tls: bool) -> type:
    """The same for a master that Sentinels watch."""
    return _WatchedTls if tls else _Watched
