"""Connections to Redis that are checked before use after they were idle.

A firewall or a NAT may drop an idle connection silently: what is sent is lost, and no reply comes. So a
connection that was idle for `IDLE_SECONDS` is pinged before a command is sent, and replaced without a reply.
The command has not been sent then, so this is safe for every command. TCP keepalive, which keeps a path open,
is redis-py's default (after 30 s of silence).
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
_PING_SHARE = 8  # a ping has 1/8 of the connect timeout


class _Checked(AbstractConnection):
    """A mixin for redis-py's connection classes. redis-py moves `next_health_check` with every reply."""

    _connecting = False

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Called to connect; it sends commands, too (login, for example)."""
        self._connecting = True
        try:
            await super().connect_check_health(*args, **options)
        finally:
            self._connecting = False

    async def check_health(self) -> None:
        """Called before each command is sent."""
        if self._connecting or asyncio.get_running_loop().time() <= self.next_health_check:
            return
        try:
            async with asyncio.timeout((self.socket_connect_timeout or 1.0) / _PING_SHARE):
                await self._send_ping()  # type: ignore[no-untyped-call]
        except (faults.ConnectionError, faults.TimeoutError, OSError):  # OSError includes asyncio's timeout
            with suppress(faults.RedisError, OSError):
                await self.disconnect(nowait=True)
            await self.connect()  # type: ignore[no-untyped-call]


class _Plain(_Checked, Connection):
    pass


class _Tls(_Checked, SSLConnection):
    pass


class _Unix(_Checked, UnixDomainSocketConnection):
    pass


class _Sentinel(_Checked, SentinelManagedConnection):
    pass


class _SentinelTls(_Checked, SentinelManagedSSLConnection):
    pass


_CHECKED: dict[type, type] = {
    Connection: _Plain,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def checked_class(connection_class: type | None) -> type:
    """The checked variant of a connection class; None: plain TCP."""
    return _CHECKED[connection_class or Connection]


def sentinel_class(*, tls: bool) -> type:
    """The checked connection class for a master behind Sentinels."""
    return _SentinelTls if tls else _Sentinel
