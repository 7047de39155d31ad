"""The SQLite store: the contract on a real file, and tests of its own."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from chat2response.stores import ABSENT, MISSED, UNREADABLE, CannotOpen, Store, StoreDown, open_store
from chat2response.stores.sqlite import feed
from chat2response.stores.sqlite import store as sqlite
from chat2response.stores.sqlite.connection import CHANGES, LOGS, TABLE
from chat2response.stores.sqlite.store import SqliteStore
from tests.support.clock_and_ids import Clock
from tests.support.stores.contract import Later, StoreContract, moving
from tests.support.stores.contract_changes import ChangesContract, next_change
from tests.support.stores.contract_counting import CountingContract
from tests.support.stores.contract_logs import LogContract


class TestSqlite(StoreContract, CountingContract, LogContract, ChangesContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    async def store(self, clock: Clock, tmp_path: Path) -> AsyncIterator[Store]:
        store = open_store(f"sqlite:{tmp_path / 'docs.db'}", clock=clock)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, clock: Clock, tmp_path: Path) -> AsyncIterator[Store]:
        store = open_store(f"sqlite:{tmp_path / 'docs.db'}", clock=clock)
        yield store
        await store.close()

    @pytest.fixture
    def later(self, clock: Clock) -> Later:
        return moving(clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "docs.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    await store.close()


SOON = 10.0
"""Seconds: far more than a deadline takes on a busy machine, far less than waiting for ever."""


@pytest.fixture
async def hasty(path: Path) -> AsyncIterator[SqliteStore]:
    """A store with a short deadline, for tests that wait for it; its file already exists."""
    await open_and_close(path)
    store = SqliteStore(path, deadline=1.0)
    yield store
    await store.close()


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None)


def files(folder: Path) -> dict[str, int]:
    """The names in a folder, with their permissions."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def open_and_close(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def started(store: SqliteStore, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task whose first statement has been sent to the open store's connection."""
    link = store._connection
    assert link is not None
    begun = threading.Event()
    rows = link.rows

    def spy(*args: Any) -> Any:
        begun.set()
        return rows(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "rows", spy)
        task = asyncio.create_task(work)
        await asyncio.to_thread(begun.wait)
    return task


async def elapsed_until_down(store: Store) -> float:
    """Seconds until a write raises StoreDown."""
    clock = asyncio.get_running_loop().time
    start = clock()
    with pytest.raises(StoreDown):
        await store.put("things", "k", "never")
    return clock() - start


async def test_nothing_is_opened_before_the_first_call(path: Path, store: SqliteStore) -> None:
    assert files(path.parent.parent) == {}
    await store.get("things", "k")
    assert "docs.db" in files(path.parent)


async def test_documents_outlive_the_store(path: Path, store: SqliteStore) -> None:
    await store.put("things", "k", {"a": 1})
    await store.close()
    again = SqliteStore(path)
    entry = await again.get("things", "k")
    await again.close()
    assert entry is not None
    assert entry.doc == {"a": 1}


async def test_the_files_are_the_owners_alone(path: Path, store: SqliteStore) -> None:
    await store.put("things", "k", 1)
    names = ("docs.db", "docs.db-wal", "docs.db-shm", "docs.db-turn", "docs.db-write")
    assert files(path.parent) == dict.fromkeys(names, 0o600)
    assert files(path.parent.parent) == {"data": 0o700}


def test_a_file_open_to_others_is_closed_to_them(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    asyncio.run(open_and_close(path))
    assert files(path.parent)["docs.db"] == 0o600
    assert files(path.parent.parent) == {"data": 0o755}  # an existing folder keeps its mode


async def test_values_are_json_text(path: Path, store: SqliteStore) -> None:
    await store.put("things", "k", {"a": "ï"})
    with raw(path) as conn:
        rows = conn.execute(f'SELECT key, value, typeof(value) FROM "{TABLE}"').fetchall()
    conn.close()
    assert rows == [("things:k", '{"doc":{"a":"ï"}}', "text")]


async def test_commits_are_on_disk(path: Path, store: SqliteStore) -> None:
    await store.open()
    assert store._connection is not None
    assert store._connection.rows("PRAGMA synchronous") == [(2,)]
    assert store._connection.rows("PRAGMA journal_mode") == [("wal",)]
    assert store._connection.rows("PRAGMA busy_timeout") == [(1800,)]


async def test_expired_rows_are_swept_by_later_writes(path: Path) -> None:
    clock = Clock()
    store = SqliteStore(path, clock=clock)
    await store.put("things", "short", 1, ttl=10)
    await store.put("things", "ever", 2)
    await store.append("logs", "short", [1, 2], ttl=10)
    await store.append("logs", "ever", [3])
    clock.advance(120)
    await store.put("things", "new", 3)
    await store.close()
    conn = raw(path)
    left = conn.execute(f'SELECT key FROM "{TABLE}" ORDER BY key').fetchall()
    assert left == [("logs:ever",), ("things:ever",), ("things:new",)]
    assert conn.execute(f'SELECT key, value FROM "{LOGS}"').fetchall() == [("logs:ever", "3")]
    plan = conn.execute(f"""EXPLAIN QUERY PLAN SELECT key FROM "{TABLE}"
        WHERE json_extract(value, '$.exp') <= 1 LIMIT 1""").fetchall()
    conn.close()
    assert f"{TABLE}_end" in plan[0][3]  # the sweep reads its index, not every row


async def test_who_was_away_for_long_is_told_that_it_has_missed_something(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MAX_CHANGES", 5)
    clock = Clock()
    store, other = SqliteStore(path, clock=clock), SqliteStore(path, clock=clock)
    await other.put("things", "before", 1)
    changes = store.changes("things")
    assert await next_change(changes) is MISSED
    for n in range(8):  # nobody reads the feed meanwhile
        clock.advance(sqlite.SWEEP_SECONDS)
        await other.put("things", f"k{n}", 1)
    with raw(path) as conn:
        assert conn.execute(f'SELECT count(*) FROM "{CHANGES}"').fetchone()[0] == 5
    conn.close()
    assert await next_change(changes) is MISSED
    clock.advance(sqlite.SWEEP_SECONDS)
    await other.put("things", "l", 1)
    assert await next_change(changes) == "l"
    await store.close()
    await other.close()


async def test_a_follower_of_a_broken_file_goes_on_when_it_is_mended(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.01)
    others(path, b"not a database" * 100)
    waiting = asyncio.create_task(next_change(store.changes("things")))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await asyncio.to_thread(path.unlink)
    assert await waiting is MISSED


async def test_a_locked_file_is_down_in_time_and_recovers(path: Path, hasty: SqliteStore) -> None:
    await hasty.put("things", "k", 1)
    conn = raw(path)
    conn.execute("BEGIN IMMEDIATE")
    assert await elapsed_until_down(hasty) < SOON
    for call in (
        hasty.add("counts", "n", 1),
        hasty.lease("books", "k", 1, ttl=1),
        hasty.append("logs", "k", [1]),
    ):
        with pytest.raises(StoreDown):
            await call
    waits = await asyncio.gather(*(elapsed_until_down(hasty) for _ in range(10)))
    assert max(waits) < SOON  # also the calls behind the one that waits for the lock
    entry = await hasty.get("things", "k")
    assert entry is not None  # readers need no lock
    assert entry.doc == 1
    conn.execute("ROLLBACK")
    conn.close()
    assert await hasty.put("things", "k", 2, expect=entry.tag) is True


async def test_a_short_lock_is_waited_for(path: Path, store: SqliteStore) -> None:
    await store.open()
    conn = raw(path)
    conn.execute("BEGIN IMMEDIATE")
    put = await started(store, store.put("things", "k", 1))
    assert not put.done()
    conn.execute("ROLLBACK")
    conn.close()
    assert await put is True


async def test_a_cancelled_caller_leaves_no_transaction_behind(path: Path, store: SqliteStore) -> None:
    await store.open()
    conn = raw(path)
    conn.execute("BEGIN IMMEDIATE")
    running = await started(store, store.put("things", "running", 1))
    queued = asyncio.create_task(store.put("things", "queued", 1))
    await asyncio.sleep(0)  # it is queued behind the other
    for task in (running, queued):
        task.cancel()
    await asyncio.wait([running, queued])
    assert running.cancelled()
    assert queued.cancelled()
    conn.execute("ROLLBACK")
    assert await store.put("things", "after", 1)  # queued behind the running one, which has ended then
    assert await store.get("things", "queued") is None
    assert await store.get("things", "running") is not None
    conn.execute("BEGIN IMMEDIATE")  # nobody holds the file
    conn.close()


async def test_a_full_disk_is_down_and_recovers(store: SqliteStore) -> None:
    await store.put("things", "k", 1)
    assert store._connection is not None
    pages = store._connection.rows("PRAGMA page_count")[0][0]
    store._connection.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreDown) as caught:
        await store.put("things", "big", "x" * 100_000)
    assert "full" in str(caught.value.internal)
    assert "full" not in str(caught.value)  # the public message has no details
    assert await store.get("things", "big") is None
    assert await store.put("things", "big", "x" * 100_000)
    pages = store._connection.rows("PRAGMA page_count")[0][0]
    store._connection.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreDown):
        await store.append("logs", "k", ["small", "x" * 100_000])
    assert await store.read("logs", "k") == []
    assert await store.append("logs", "k", ["small", "x" * 100_000]) == 2


async def test_a_dead_database_thread_is_down_in_time_and_recovers(hasty: SqliteStore) -> None:
    await hasty.put("things", "k", 1)
    assert hasty._connection is not None
    hasty._connection._conn.close()  # the thread ends; what is sent to it from now on is never answered
    assert await elapsed_until_down(hasty) < SOON
    assert (await hasty.get("things", "k")) is not None


async def test_a_foreign_row_is_unreadable_and_no_failure(path: Path, store: SqliteStore) -> None:
    await store.open()
    conn = raw(path)
    conn.execute(f'INSERT INTO "{TABLE}" VALUES (\'things:odd\', \'{{"no": "envelope"}}\')')
    conn.close()
    entry = await store.get("things", "odd")
    assert entry is not None and entry.doc is UNREADABLE
    assert await store.put("things", "odd", 1)


async def test_two_stores_on_one_file_agree(path: Path, store: SqliteStore) -> None:
    other = SqliteStore(path)
    await store.put("things", "k", 1)
    entry = await other.get("things", "k")
    assert entry is not None
    assert await other.put("things", "k", 2, expect=entry.tag)
    assert not await store.put("things", "k", 3, expect=entry.tag)
    assert not await store.put("things", "k", 3, expect=ABSENT)
    await other.close()


class TestOpening:
    async def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        before = files(tmp_path.parent)
        await self.refused(tmp_path, "not a regular file")
        assert files(tmp_path.parent) == before

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("not a database, but long enough to be taken for one" * 100)
        before = path.read_bytes()
        await self.refused(path, "not a database")
        assert path.read_bytes() == before

    async def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        await self.refused(tmp_path / "file" / "docs.db", "exists|Not a directory")

    async def test_a_lost_file_system(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "docs.db")
        await self.refused(tmp_path / "link", "No such file")

    async def refused(self, path: Path, why: str) -> None:
        store = SqliteStore(path)
        with pytest.raises(CannotOpen, match=why) as caught:
            await store.open()
        assert str(path) in str(caught.value)
        with pytest.raises(StoreDown) as down:  # a call's error is as short
            await store.get("things", "k")
        assert str(path) not in str(down.value)
        await store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:", "path of a file"),
        ("sqlite::memory:", "write `memory`"),
        ("sqlite:///data/keys.db", "not a URL"),
        ("sled:./data", "Write `sqlite:<path of a new file>`"),
        ("memory:x", "'memory'"),
        ("", "Write `memory`"),
        ("nosql://user:hunter2@host", "'nosql'"),
    ],
)
def test_an_address_of_no_store_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def others(path: Path, content: bytes | None) -> None:
    """Another program's file, readable by all: `content`, or a database with a table of its own."""
    path.parent.mkdir()
    if content is None:
        with sqlite3.connect(path) as conn:
            conn.execute("CREATE TABLE keys (a)")
        conn.close()
    else:
        path.write_bytes(content)
    path.chmod(0o644)


def as_it_is(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello\n" * 500, "not a database"),
        (bytes(range(256)) * 40, "not a database"),
        (None, "another program's database"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_left_as_it_was(
    path: Path, content: bytes | None, reason: str
) -> None:
    others(path, content)
    before = as_it_is(path)
    with pytest.raises(CannotOpen, match=reason):
        await SqliteStore(path).open()
    assert as_it_is(path) == before
