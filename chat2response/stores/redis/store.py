"""The Redis store: documents in Redis (6.2 or newer), shared by any number of processes and machines.

A document is one string: key `chat2response:<kind>:<key>`, value the bare JSON text; it expires with the key.
So the Rust edition's records (`chat2response:keys:<id>`) are documents as they are. The text itself is the
tag: compare-and-set is a script of one key that compares it. A counter is such a string, a ledger a hash, a
log a list. Each put and delete is published (see `feed.py`).

Redis's own setting (`appendonly yes`) decides whether data survives a restart of Redis.

A repeated command may run twice, so the store only repeats commands for which that is harmless, and those
that a read-only server has refused, because they did nothing (see `errors.py`).
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import redis.exceptions as faults

from chat2response.stores import ledger
from chat2response.stores.base import (
    ABSENT,
    UNREADABLE,
    Absent,
    Entry,
    Lease,
    Missed,
    Page,
    StoreDown,
    Tag,
    amount,
    expiry,
    prefix,
    row_name,
)
from chat2response.stores.cancellation import heed_cancellation
from chat2response.stores.redis import scripts
from chat2response.stores.redis.address import check, shown
from chat2response.stores.redis.client import create_client
from chat2response.stores.redis.errors import advice, eviction_warnings, is_read_only
from chat2response.stores.redis.feed import follow
from chat2response.wire.json import JSONError, decode, encode

T = TypeVar("T")

NAMESPACE = "chat2response:"
_GRACE = int(ledger.GRACE * 1000)
_TOMBSTONE = int(ledger.TOMBSTONE_SECONDS * 1000)
MAX_SCANS = 20  # for one page; a scan also passes over other kinds' keys
FIRST_TRY = 0.5  # share of the deadline for the first try; the rest is for a retry on a new connection
REDIAL_SECONDS = 0.2  # minimum time between two reconnects, in case a server stays read-only

log = logging.getLogger(__name__)


class RedisStore:
    """The `Store` contract on a Redis. `deadline`: seconds that a call may take; `pool_max`: connections.

    Raises ValueError for an invalid address. Nothing is connected before the first call.
    """

    def __init__(self, url: str, *, deadline: float = 2.0, pool_max: int = 16) -> None:
        check(url)
        self._name = shown(url)
        self._deadline = deadline
        self._closed = False
        self._opened = False
        self._client = create_client(url, deadline=deadline, pool_max=pool_max)
        self._redis = self._client.client
        self._slots = asyncio.Semaphore(pool_max)  # because not every pool of redis-py lets callers wait
        script = self._redis.register_script
        self._put, self._delete = script(scripts.PUT), script(scripts.DELETE)
        self._add, self._append = script(scripts.ADD), script(scripts.APPEND)
        self._lease, self._settle = script(scripts.LEASE), script(scripts.SETTLE)
        self._renew = script(scripts.RENEW)
        self._redials = 0
        self._redialed_at = -REDIAL_SECONDS

    @cached_property
    def _writer(self) -> str:
        """Identifies this process's changes. Created on first use, because workers are forked before."""
        return secrets.token_hex(8)

    async def open(self) -> None:
        """Never raises: a Redis that is down may recover. Until it does, every call raises StoreDown."""
        if self._opened:
            return
        self._opened = True
        try:
            await self._call(lambda: self._redis.ping())
        except StoreDown as down:
            log.warning(
                "the store at %s is down, so every request is refused until it is back: %s",
                self._name,
                down.internal,
            )
        for warning in await self.warnings():
            log.warning("%s", warning)

    async def get(self, kind: str, key: str) -> Entry | None:
        row = _row(kind, key)
        return await self._call(lambda: self._get(row))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        rows = [_row(kind, key) for key in keys]
        return await self._call(lambda: self._read(rows))

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        args = [encode(doc), _ttl_ms(ttl), *self._announcement(kind, key), *_expectation(expect)]
        put = self._script(self._put, _row(kind, key), args)
        return bool(await self._call(put, repeatable=expect is None))

    async def delete(self, kind: str, key: str) -> bool:
        delete = self._script(self._delete, _row(kind, key), self._announcement(kind, key))
        return bool(await self._call(delete, repeatable=False))

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        args = [amount(n), "" if ceiling is None else amount(ceiling), _ttl_ms(ttl)]
        value = await self._call(self._script(self._add, _row(kind, key), args), repeatable=False)
        return None if value is None else int(value)

    async def lease(
        self,
        kind: str,
        key: str,
        n: int,
        *,
        id: str | None = None,
        ceiling: int | None = None,
        ttl: float,
        window: float | None = None,
    ) -> Lease:
        ledger.check(n, ceiling, ttl, window)
        name = ledger.lease_id(id)
        args = [name, n, "" if ceiling is None else ceiling, _ttl_ms(ttl), _ttl_ms(window), _GRACE]
        granted, used, left = await self._call(self._script(self._lease, _row(kind, key), args))
        return Lease(name if granted else None, used, None if left < 0 else left / 1000)

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        ledger.check(n, None, ttl, None)
        args = [ledger.lease_id(lease), n, _ttl_ms(ttl), _GRACE]
        return bool(await self._call(self._script(self._renew, _row(kind, key), args)))

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        args = [ledger.lease_id(lease), amount(n, minimum=0), _TOMBSTONE, ledger.TOMBSTONES]
        await self._call(self._script(self._settle, _row(kind, key), args))

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        row, args = _row(kind, key), [_ttl_ms(ttl), *map(encode, docs)]
        if not docs:
            return int(await self._call(lambda: self._redis.llen(row)))
        return int(await self._call(self._script(self._append, row, args), repeatable=False))

    async def read(self, kind: str, key: str, *, after: int = 0, limit: int = 100) -> list[Any]:
        row = _row(kind, key)
        texts = await self._call(lambda: self._redis.lrange(row, after, after + limit - 1))
        return [_document(text) for text in texts]

    async def scan(self, kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        start = (NAMESPACE + prefix(kind)).encode()
        return await self._call(lambda: self._page(start, cursor, limit))

    def changes(self, kind: str) -> AsyncIterator[str | Missed]:
        feed = partial(follow, self._client.subscriber, _channel(kind), self._writer)
        return feed(deadline=self._deadline, is_closed=lambda: self._closed, redials=lambda: self._redials)

    async def warnings(self) -> list[str]:
        try:
            memory = await self._call(lambda: self._redis.info("memory"))
        except StoreDown:
            return []
        return eviction_warnings(self._name, memory)

    async def close(self) -> None:
        self._closed = True
        await self._disconnect()

    async def _get(self, row: bytes) -> Entry | None:
        try:
            return _entry(await self._redis.get(row))
        except faults.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return Entry(UNREADABLE, Tag(""))  # a list, for example; `put` never matches an empty tag

    async def _page(self, start: bytes, cursor: str | None, limit: int) -> Page:
        """The next keys of a kind, and their documents. The scan passes over other kinds' keys."""
        pattern = start + b"*"  # a kind has no special character of a pattern
        for _ in range(MAX_SCANS):
            cursor, rows = await self._client.scan(cursor, pattern, limit)
            names = [name for row in rows if (name := _key(row, start)) is not None]
            if names or cursor is None:
                break
        entries = await self._read([start + name.encode() for name in names])
        existing = [(name, entry) for name, entry in zip(names, entries, strict=True) if entry is not None]
        return Page(existing, cursor)

    async def _read(self, rows: list[bytes]) -> list[Entry | None]:
        return [_entry(value) for value in await self._client.mget(rows)] if rows else []

    def _script(self, script: Any, row: bytes, args: Sequence[Any]) -> Callable[[], Awaitable[Any]]:
        return lambda: script(keys=[row], args=args)

    def _announcement(self, kind: str, key: str) -> list[str]:
        """The channel and the message of a change."""
        return [_channel(kind), f"{self._writer}:{key}"]

    async def _call(self, work: Callable[[], Awaitable[T]], *, repeatable: bool = True) -> T:
        """Run `work` within the deadline, on one of `pool_max` connections. Raises StoreDown."""
        if self._closed:
            raise StoreDown("the Redis store is closed")
        end = asyncio.get_running_loop().time() + self._deadline
        try:
            await self._take_slot(end)
            try:
                return await heed_cancellation(self._run_with_retry(work, repeatable, end))
            finally:
                self._slots.release()
        except TimeoutError:
            raise StoreDown(f"no answer from Redis within {self._deadline} s") from None
        except (faults.RedisError, OSError) as error:
            raise StoreDown(f"{type(error).__name__}: {error}", advice=advice(error)) from error
        finally:
            if self._closed:  # during this call: close the connections that it has opened since then
                await self._disconnect()

    async def _take_slot(self, end: float) -> None:
        if self._slots.locked():
            async with asyncio.timeout_at(end):
                await self._slots.acquire()
        else:
            await self._slots.acquire()

    async def _run_with_retry(self, work: Callable[[], Awaitable[T]], repeatable: bool, end: float) -> T:
        """Retry once if that is harmless; so the first try has a deadline of its own."""
        first = end - (end - asyncio.get_running_loop().time()) * FIRST_TRY if repeatable else end
        try:
            async with asyncio.timeout_at(first):
                return await work()
        except (faults.RedisError, OSError) as error:  # OSError includes TimeoutError
            if self._closed or not await self._should_retry(error, repeatable):
                raise
        async with asyncio.timeout_at(end):
            return await work()

    async def _should_retry(self, error: Exception, repeatable: bool) -> bool:
        """Whether to retry after an error. If connections may be dead or stale, replace them all."""
        if is_read_only(error):  # a failover: the host name leads to another server now, or soon
            return await self._redial()
        if isinstance(error, TimeoutError | faults.TimeoutError):  # the network may have dropped connections
            await self._redial()
            return repeatable
        return repeatable and isinstance(error, faults.ConnectionError)

    async def _redial(self) -> bool:
        """Reconnect unless that has just happened; True if the connections were replaced."""
        now = asyncio.get_running_loop().time()
        if now - self._redialed_at < REDIAL_SECONDS:
            return False
        self._redialed_at = now
        self._redials += 1
        await self._client.redial()
        return True

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                await self._client.close()
        except (faults.RedisError, OSError) as error:  # OSError includes TimeoutError
            log.debug("closing the connections to %s failed: %r", self._name, error)


def _row(kind: str, key: str) -> bytes:
    return (NAMESPACE + row_name(kind, key)).encode()


def _key(row: bytes, start: bytes) -> str | None:
    """The key of a row's name; None if the name is not one of a document."""
    try:
        return row.removeprefix(start).decode() or None
    except UnicodeDecodeError:
        return None


def _channel(kind: str) -> str:
    return f"{NAMESPACE}changes:{prefix(kind)[:-1]}"


def _entry(value: bytes | None) -> Entry | None:
    return None if value is None else Entry(_document(value), Tag(value.decode("utf-8", "surrogateescape")))


def _expectation(expect: Tag | Absent | None) -> tuple[str, bytes]:
    """The script's arguments for the expected state."""
    if expect is None:
        return "any", b""
    return ("none", b"") if expect is ABSENT else ("same", expect.encode("utf-8", "surrogateescape"))


def _document(value: bytes) -> Any:
    try:
        return decode(value)
    except JSONError:
        return UNREADABLE


def _ttl_ms(ttl: float | None) -> int | str:
    """The script's argument for a ttl: whole milliseconds, at least one; empty for no expiry."""
    return "" if expiry(ttl, 0.0) is None or ttl is None else max(1, round(ttl * 1000))
