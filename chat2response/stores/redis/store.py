"""Documents in Redis (6.2 or newer), shared by any number of processes on any number of machines.

A document is one string: key `chat2response:<kind>:<key>`, value the bare JSON text, its end the key's own
expiry. So the records that the Rust edition wrote (`chat2response:keys:<id>`) are documents as they are. The
text itself is the tag: compare-and-set is a script of one key that compares it. A counter is such a string, a
ledger a hash, a log a list. Each put and delete is published (see `redis_feed`).

Whether what was written outlives Redis itself is Redis's own setting (`appendonly yes`).

A repeated command may run twice, so only what does no harm twice is repeated, by us; and what a read-only
server has refused, for that did nothing (see `redis_refusals`).
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
from chat2response.stores.redis.client import reach
from chat2response.stores.redis.errors import advice, evicts, is_read_only
from chat2response.stores.redis.feed import follow
from chat2response.wire.json import JSONError, decode, encode

T = TypeVar("T")

NAMESPACE = "chat2response:"
_GRACE = int(ledger.GRACE * 1000)
_TOMBSTONE = int(ledger.TOMBSTONE_SECONDS * 1000)
SCAN_ROUNDS = 20  # steps through other kinds' keys that one page takes at most
FIRST_TRY = 0.5  # of the deadline: the rest is for a second one, on a fresh connection
REDIAL_SECONDS = 0.2  # between two times at most: a server that stays read-only is not dialled for each call

_log = logging.getLogger(__name__)


class RedisStore:
    """The `Store` contract on a Redis. `deadline`: seconds that a call may take; `pool_max`: connections.

    Raises ValueError for what is no address of a Redis. Nothing is connected before the first call.
    """

    def __init__(self, url: str, *, deadline: float = 2.0, pool_max: int = 16) -> None:
        check(url)
        self._name = shown(url)
        self._deadline = deadline
        self._closed = False
        self._opened = False
        self._reach = reach(url, deadline=deadline, pool_max=pool_max)
        self._redis = self._reach.client
        self._slots = asyncio.Semaphore(pool_max)  # not every kind of pool lets its callers wait
        script = self._redis.register_script
        self._put, self._delete = script(scripts.PUT), script(scripts.DELETE)
        self._add, self._append = script(scripts.ADD), script(scripts.APPEND)
        self._lease, self._settle = script(scripts.LEASE), script(scripts.SETTLE)
        self._renew = script(scripts.RENEW)
        self._dials = 0  # how often connections were left for new ones
        self._dialled_at = -REDIAL_SECONDS

    @cached_property
    def _writer(self) -> str:
        """Signs our changes. Drawn when it is first needed: workers are forked before, and differ."""
        return secrets.token_hex(8)

    async def open(self) -> None:
        """Never raises: a Redis that is away may come back. Until it does, every call is StoreDown."""
        if self._opened:
            return
        self._opened = True
        try:
            await self._call(lambda: self._redis.ping())
        except StoreDown as down:
            _log.warning(
                "the store at %s is down, and nobody gets in until it is back: %s", self._name, down.internal
            )
        for warning in await self.warnings():
            _log.warning("%s", warning)

    async def get(self, kind: str, key: str) -> Entry | None:
        row = _row(kind, key)
        return await self._call(lambda: self._get(row))

    async def get_many(self, kind: str, keys: Sequence[str]) -> list[Entry | None]:
        rows = [_row(kind, key) for key in keys]
        return await self._call(lambda: self._read(rows))

    async def put(
        self, kind: str, key: str, doc: Any, *, ttl: float | None = None, expect: Tag | Absent | None = None
    ) -> bool:
        before = _before(expect)
        args = [encode(doc), _life(ttl), *self._told(kind, key), *before]
        put = self._script(self._put, _row(kind, key), args)
        return bool(await self._call(put, repeatable=expect is None))

    async def delete(self, kind: str, key: str) -> bool:
        delete = self._script(self._delete, _row(kind, key), self._told(kind, key))
        return bool(await self._call(delete, repeatable=False))

    async def add(
        self, kind: str, key: str, n: int, *, ceiling: int | None = None, ttl: float | None = None
    ) -> int | None:
        args = [amount(n), "" if ceiling is None else amount(ceiling), _life(ttl)]
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
        args = [name, n, "" if ceiling is None else ceiling, _life(ttl), _life(window), _GRACE]
        granted, used, left = await self._call(self._script(self._lease, _row(kind, key), args))
        return Lease(name if granted else None, used, None if left < 0 else left / 1000)

    async def renew(self, kind: str, key: str, lease: str, n: int, *, ttl: float) -> bool:
        ledger.check(n, None, ttl, None)
        args = [ledger.lease_id(lease), n, _life(ttl), _GRACE]
        return bool(await self._call(self._script(self._renew, _row(kind, key), args)))

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        args = [ledger.lease_id(lease), amount(n, least=0), _TOMBSTONE, ledger.TOMBSTONES]
        await self._call(self._script(self._settle, _row(kind, key), args))

    async def append(self, kind: str, key: str, docs: Sequence[Any], *, ttl: float | None = None) -> int:
        row, args = _row(kind, key), [_life(ttl), *map(encode, docs)]
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
        told = partial(follow, self._reach.listener, _channel(kind), self._writer)
        return told(deadline=self._deadline, over=lambda: self._closed, dials=lambda: self._dials)

    async def warnings(self) -> list[str]:
        try:
            memory = await self._call(lambda: self._redis.info("memory"))
        except StoreDown:
            return []
        return evicts(self._name, memory)

    async def close(self) -> None:
        self._closed = True
        await self._let_go()

    async def _get(self, row: bytes) -> Entry | None:
        try:
            return _entry(await self._redis.get(row))
        except faults.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return Entry(UNREADABLE, Tag(""))  # a list, say; no `put` takes it for a state to compare with

    async def _page(self, start: bytes, cursor: str | None, limit: int) -> Page:
        """The next keys of a kind, and their documents. Keys of other kinds are walked past."""
        pattern = start + b"*"  # a kind has no character that means something in a pattern
        for _ in range(SCAN_ROUNDS):
            cursor, rows = await self._reach.scan(cursor, pattern, limit)
            names = [name for row in rows if (name := _key(row, start)) is not None]
            if names or cursor is None:
                break
        entries = await self._read([start + name.encode() for name in names])
        found = [(name, entry) for name, entry in zip(names, entries, strict=True) if entry is not None]
        return Page(found, cursor)

    async def _read(self, rows: list[bytes]) -> list[Entry | None]:
        return [_entry(value) for value in await self._reach.mget(rows)] if rows else []

    def _script(self, script: Any, row: bytes, args: Sequence[Any]) -> Callable[[], Awaitable[Any]]:
        return lambda: script(keys=[row], args=args)

    def _told(self, kind: str, key: str) -> list[str]:
        """The channel and the message that announce a change."""
        return [_channel(kind), f"{self._writer}:{key}"]

    async def _call(self, work: Callable[[], Awaitable[T]], *, repeatable: bool = True) -> T:
        """Do it before the deadline, with one of so many connections."""
        if self._closed:
            raise StoreDown("the Redis store is closed")
        end = asyncio.get_running_loop().time() + self._deadline
        try:
            await self._take_slot(end)
            try:
                return await heed_cancellation(self._tried(work, repeatable, end))
            finally:
                self._slots.release()
        except TimeoutError:
            raise StoreDown(f"no answer from Redis within {self._deadline} s") from None
        except (faults.RedisError, OSError) as error:
            raise StoreDown(f"{type(error).__name__}: {error}", advice=advice(error)) from error
        finally:
            if self._closed:  # while this call was at it: what it has connected since then
                await self._let_go()

    async def _take_slot(self, end: float) -> None:
        if self._slots.locked():
            async with asyncio.timeout_at(end):
                await self._slots.acquire()
        else:
            await self._slots.acquire()

    async def _tried(self, work: Callable[[], Awaitable[T]], repeatable: bool, end: float) -> T:
        """A try that failed is worth one more where that does no harm; so the first has its own deadline."""
        first = end - (end - asyncio.get_running_loop().time()) * FIRST_TRY if repeatable else end
        try:
            async with asyncio.timeout_at(first):
                return await work()
        except (faults.RedisError, OSError) as error:  # TimeoutError, too
            if self._closed or not await self._is_worth_another(error, repeatable):
                raise
        async with asyncio.timeout_at(end):
            return await work()

    async def _is_worth_another(self, error: Exception, repeatable: bool) -> bool:
        """After a failed try; where it was the connection's fault, the others are left, too."""
        if is_read_only(error):  # a switch-over: the name leads to another server now, or soon
            return await self._redial()
        if isinstance(error, TimeoutError | faults.TimeoutError):  # what the network has forgotten
            await self._redial()
            return repeatable
        return repeatable and isinstance(error, faults.ConnectionError)

    async def _redial(self) -> bool:
        """Whether there are fresh connections now; not each of many calls makes some."""
        now = asyncio.get_running_loop().time()
        if now - self._dialled_at < REDIAL_SECONDS:
            return False
        self._dialled_at = now
        self._dials += 1
        await self._reach.redial()
        return True

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                await self._reach.close()
        except (faults.RedisError, OSError) as error:  # TimeoutError, too: a farewell that nobody answers
            _log.debug("a connection to %s did not end well: %r", self._name, error)


def _row(kind: str, key: str) -> bytes:
    return (NAMESPACE + row_name(kind, key)).encode()


def _key(row: bytes, start: bytes) -> str | None:
    """The key of a found row; None for a name that no key of ours has."""
    try:
        return row.removeprefix(start).decode() or None
    except UnicodeDecodeError:
        return None


def _channel(kind: str) -> str:
    return f"{NAMESPACE}changes:{prefix(kind)[:-1]}"


def _entry(value: bytes | None) -> Entry | None:
    return None if value is None else Entry(_document(value), Tag(value.decode("utf-8", "surrogateescape")))


def _before(expect: Tag | Absent | None) -> tuple[str, bytes]:
    """What a put wants to find, for its script."""
    if expect is None:
        return "any", b""
    return ("none", b"") if expect is ABSENT else ("same", expect.encode("utf-8", "surrogateescape"))


def _document(value: bytes) -> Any:
    try:
        return decode(value)
    except JSONError:
        return UNREADABLE


def _life(ttl: float | None) -> int | str:
    """What Redis is told: whole milliseconds, at least one; nothing where it lasts for ever."""
    return "" if expiry(ttl, 0.0) is None or ttl is None else max(1, round(ttl * 1000))
