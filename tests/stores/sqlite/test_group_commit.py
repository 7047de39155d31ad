"""Group commit: waiting writes share a transaction, each has its own result; and the sweep."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from chat2response.stores import ABSENT, StoreDown
from chat2response.stores.sqlite import store as sqlite
from chat2response.stores.sqlite.connection import TABLE, SqliteConnection
from chat2response.stores.sqlite.group_commit import MAX_BATCH
from chat2response.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.test_store import raw, started
from tests.support.clock_and_ids import Clock
from tests.support.scripted_upstream import PATIENCE


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An open store with nothing to sweep for a minute."""
    store = SqliteStore(tmp_path / "docs.db")
    await store.put("things", "first", 1)
    yield store
    await store.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of times that each statement was sent."""
    sent: Counter[str] = Counter()
    rows = SqliteConnection.rows

    def counted(link: SqliteConnection, sql: str, args: Any = None) -> list[tuple[Any, ...]]:
        sent[sql] += 1
        return rows(link, sql, args)

    monkeypatch.setattr(SqliteConnection, "rows", counted)
    return sent


async def together(store: SqliteStore, path: Path, *calls: Awaitable[Any]) -> list[Any]:
    """The results or exceptions of calls that start while another process has the file's lock."""
    conn = raw(path)
    conn.execute("BEGIN IMMEDIATE")
    ahead = await started(store, store.put("things", "ahead", 1))
    waiting = asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0)  # they are queued behind it
    conn.execute("ROLLBACK")
    conn.close()
    await ahead
    return await waiting


async def test_writes_that_wait_share_a_commit(
    store: SqliteStore, tmp_path: Path, statements: Counter[str]
) -> None:
    adds = [store.add("counts", "n", 1) for _ in range(20)]
    puts = [store.put("things", str(n), n, expect=ABSENT) for n in range(20)]
    assert await together(store, tmp_path / "docs.db", *adds, *puts) == [*range(1, 21), *[True] * 20]
    assert statements["COMMIT"] == 2  # one for the write ahead, one for these
    other = SqliteStore(tmp_path / "docs.db")
    assert await other.add("counts", "n", 0) == 20
    await other.close()


async def test_very_many_take_their_turns(
    store: SqliteStore, tmp_path: Path, statements: Counter[str]
) -> None:
    calls = [store.add("counts", "n", 1) for _ in range(2 * MAX_BATCH + 1)]
    assert await together(store, tmp_path / "docs.db", *calls) == [*range(1, len(calls) + 1)]
    assert statements["COMMIT"] == 4


async def test_a_failure_is_its_callers_own(store: SqliteStore, tmp_path: Path) -> None:
    """The writes before and after it in the transaction are done, and done once."""
    path = tmp_path / "docs.db"
    conn = raw(path)
    conn.execute(f'INSERT INTO "{TABLE}" VALUES (?, ?)', ("counts:odd", '{"no": "document"}'))
    conn.close()
    first, odd, last, put = await together(
        store,
        path,
        store.add("counts", "n", 1),
        store.add("counts", "odd", 1),
        store.add("counts", "n", 1),
        store.put("things", "k", 1, expect=ABSENT),
    )
    assert (first, last, put) == (1, 2, True)
    assert isinstance(odd, StoreDown)
    assert await store.add("counts", "n", 0) == 2


async def test_who_goes_away_while_it_waits_is_left_out(store: SqliteStore, tmp_path: Path) -> None:
    conn = raw(tmp_path / "docs.db")
    conn.execute("BEGIN IMMEDIATE")
    ahead = await started(store, store.put("things", "ahead", 1))
    gone, stays = (asyncio.create_task(store.add("counts", key, 1)) for key in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone})
    conn.execute("ROLLBACK")
    conn.close()
    assert await ahead
    assert await stays == 1
    assert gone.cancelled()
    assert await store.get("counts", "gone") is None


async def test_nobody_is_told_before_the_commit_nor_when_it_fails(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = SqliteConnection.rows

    def full(link: SqliteConnection, sql: str, args: Any = None) -> list[tuple[Any, ...]]:
        if sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return rows(link, sql, args)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteConnection, "rows", full)
        calls = [store.add("counts", "n", 1) for _ in range(3)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in results] == [StoreDown] * 3
    assert await store.add("counts", "n", 1) == 1


async def test_what_has_expired_is_swept_to_the_end_in_small_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: Counter[str]
) -> None:
    monkeypatch.setattr(sqlite, "SWEEP_PAUSE", 0.0)
    clock = Clock()
    store = SqliteStore(tmp_path / "docs.db", clock=clock)
    rows = [f"things:{n}" for n in range(3 * sqlite.SWEEP_ROWS + 7)]
    await store.put("things", "ever", 1)
    with raw(tmp_path / "docs.db") as conn:
        conn.execute("BEGIN")
        text = f'{{"exp": {clock() + 10}, "doc": 1}}'
        conn.executemany(f'INSERT INTO "{TABLE}" VALUES (?, ?)', ((row, text) for row in rows))
        conn.execute("COMMIT")
        clock.advance(sqlite.SWEEP_SECONDS)
        await store.put("things", "new", 1)
        async with asyncio.timeout(PATIENCE):
            while conn.execute(f'SELECT count(*) FROM "{TABLE}"').fetchone() != (2,):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    conn.close()
    assert (
        statements[sqlite._SWEEP] == 1 + 4
    )  # one at the first write, then four steps, the last one not full
    await store.close()


async def test_a_store_is_closed_in_the_middle_of_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SWEEP_PAUSE", PATIENCE)
    clock = Clock()
    store = SqliteStore(tmp_path / "docs.db", clock=clock)
    for n in range(3):
        await store.put("things", str(n), 1, ttl=10)
    store._unswept = True  # as after a full step
    await store.put("things", "ever", 1)
    sweeping = store._sweeping
    assert sweeping is not None
    await store.close()
    assert sweeping.cancelled()
