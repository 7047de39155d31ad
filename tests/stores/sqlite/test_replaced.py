"""A SQLite file that is removed, replaced or damaged while stores have it open."""

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chat2response.stores import MISSED, CannotOpen, StoreDown
from chat2response.stores.sqlite import feed
from chat2response.stores.sqlite import file as sqlite_file
from chat2response.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.test_processes import WRITE
from tests.support.stores.contract_changes import PATIENCE, next_change
from tests.support.stores.processes import finish, start

PUT = """
async def main():
    await store.put("things", sys.argv[2], 1)
    await store.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "docs.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """A store that has read and written."""
    store = SqliteStore(path)
    await store.put("things", "old", 1)
    yield store
    await store.close()


@pytest.fixture
async def copy(path: Path, store: SqliteStore, tmp_path: Path) -> Path:
    """A copy of the file, like a backup, with a document that the file does not have."""
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    other = SqliteStore(backup)
    await other.put("things", "new", 2)
    await other.close()
    return backup


def around(path: Path) -> list[Path]:
    return [path, path.with_name("docs.db-wal"), path.with_name("docs.db-shm")]


def move(source: Path, target: Path) -> None:
    source.rename(target)


def overwrite(path: Path, content: bytes) -> None:
    """Overwrite in place: device and inode stay."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


def spoil(path: Path) -> None:
    """Overwrite two pages in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))


def remove_all(path: Path) -> None:
    for each in around(path):
        each.unlink(missing_ok=True)


async def down(work: Awaitable[Any]) -> StoreDown:
    with pytest.raises(StoreDown) as caught:
        await work
    assert caught.value.advice is not None
    assert caught.value.advice in str(caught.value.internal)
    assert caught.value.advice not in str(caught.value)
    return caught.value


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


async def test_another_file_in_its_place_is_opened_by_the_next_call(
    path: Path, store: SqliteStore, copy: Path
) -> None:
    remove_all(path)
    move(copy, path)
    entry = await store.get("things", "new")
    assert entry is not None
    assert await store.put("things", "after", 3)
    other = SqliteStore(path)  # a store that is opened now sees this store's writes
    assert await other.get("things", "after") is not None
    await other.close()


async def test_a_follower_hears_of_changes_in_the_new_file_and_that_it_has_missed_some(
    path: Path, store: SqliteStore, copy: Path
) -> None:
    changes = store.changes("things")
    assert await next_change(changes) is MISSED
    remove_all(path)
    move(copy, path)
    assert await next_change(changes) is MISSED
    await finish(await start(PUT, f"sqlite:{path}", "k"))
    assert await next_change(changes) == "k"
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_file_that_was_removed_is_down_and_is_not_made_anew(path: Path, store: SqliteStore) -> None:
    remove_all(path)
    for call in (store.get("things", "old"), store.put("things", "k", 1), store.add("counts", "n", 1)):
        error = await down(call)
        assert "removed" in str(error.internal)
    assert not around(path)[0].exists()


async def test_a_folder_that_was_removed_is_down_and_is_not_made_anew(path: Path, store: SqliteStore) -> None:
    shutil.rmtree(path.parent)
    await down(store.get("things", "old"))
    await down(store.put("things", "k", 1))
    assert not any(each.parent.exists() for each in around(path))


async def test_a_file_that_was_removed_and_put_back_is_opened_again(path: Path, store: SqliteStore) -> None:
    aside = path.with_name("aside.db")
    move(path, aside)
    await down(store.get("things", "old"))
    move(aside, path)
    assert await store.get("things", "old") is not None
    assert await store.put("things", "k", 1)


async def test_a_new_file_beside_the_wal_of_the_old_one_is_not_opened_until_that_is_removed(
    path: Path, store: SqliteStore, copy: Path
) -> None:
    move(copy, path)  # SQLite would read the pages of the old file's -wal over those of the new file
    error = await down(store.get("things", "new"))
    assert "docs.db-wal" in str(error.advice)
    await down(store.put("things", "k", 1))
    for each in around(path)[1:]:
        each.unlink()
    assert await store.get("things", "new") is not None
    assert await store.put("things", "k", 1)


@pytest.mark.parametrize("gone", [(1,), (2,), (1, 2)], ids=["wal", "shm", "both"])
async def test_nothing_is_lost_where_what_is_beside_the_file_was_removed(
    path: Path, store: SqliteStore, gone: tuple[int, ...]
) -> None:
    changes = store.changes("things")  # a second connection to the same: the store's is not the last to close
    assert await next_change(changes) is MISSED
    for number in gone:
        around(path)[number].unlink()
    waiting = asyncio.create_task(next_change(changes))

    async def can_write() -> bool:
        try:
            return await store.put("things", "after", 1)
        except StoreDown:
            return False

    await until(can_write)
    assert await waiting is MISSED
    await finish(await start(PUT, f"sqlite:{path}", "stranger"))
    assert await next_change(changes) == "stranger"
    await store.put("things", "later", 1)
    assert None not in await store.get_many("things", ["old", "after", "stranger", "later"])
    await changes.aclose()  # type: ignore[attr-defined]
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    conn.close()


async def test_what_a_process_has_acknowledged_outlives_the_removal_of_the_wal(path: Path) -> None:
    writer = await start(WRITE, f"sqlite:{path}", "w")
    assert writer.stdout is not None
    for _ in range(20):
        await writer.stdout.readline()
    for each in around(path)[1:]:
        each.unlink()
    for _ in range(20):
        last = await writer.stdout.readline()
    assert writer.stdin is not None
    writer.kill()
    rest, _ = await writer.communicate()
    acknowledged = int((last + rest).split(b"\n")[-2])
    store = SqliteStore(path)
    entries = await store.get_many("acks", [f"w-{n}" for n in range(acknowledged + 1)])
    await store.close()
    assert None not in entries


async def test_a_removed_wal_is_saved_although_nobody_calls(path: Path, store: SqliteStore) -> None:
    changes = store.changes("things")
    assert await next_change(changes) is MISSED
    around(path)[1].unlink()
    assert await next_change(changes) is MISSED
    await finish(await start(PUT, f"sqlite:{path}", "k"))
    assert await next_change(changes) == "k"
    assert await store.get("things", "old") is not None
    await changes.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"", b"garbage", b"garbage" * 20_000], ids=["empty", "short", "long"])
async def test_a_file_that_was_overwritten_is_down(
    path: Path, store: SqliteStore, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.01)
    whole = path.with_name("whole.db")
    for n in range(50):
        await store.put("things", f"k{n}", "x" * 1000)
    assert store._connection is not None
    store._connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(path, whole)
    changes = store.changes("things")
    assert await next_change(changes) is MISSED
    waiting = asyncio.create_task(next_change(changes))
    overwrite(path, content)

    async def is_down() -> bool:
        try:
            await store.get("things", "old")
        except StoreDown as error:
            return error.advice is not None
        return False

    await until(is_down)
    await down(store.put("things", "k", 1))
    assert not waiting.done()
    remove_all(path)
    move(whole, path)
    assert await waiting is MISSED
    assert await store.get("things", "k49") is not None
    assert await store.put("things", "k", 1)
    await changes.aclose()  # type: ignore[attr-defined]


class TestCheck:
    """Damage to a file before it is opened."""

    async def test_a_damaged_file_refuses_the_start_with_a_sentence_that_tells_what_to_do(
        self, path: Path, store: SqliteStore
    ) -> None:
        for n in range(200):
            await store.put("things", f"k{n}", "x" * 1000)
        await store.close()
        spoil(path)
        with pytest.raises(CannotOpen, match=r"(?s)damaged.*restore a backup") as caught:
            await SqliteStore(path).open()
        assert str(path) in str(caught.value)

    async def test_a_big_file_is_checked_for_a_bounded_time(
        self,
        path: Path,
        store: SqliteStore,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for n in range(200):
            await store.put("things", f"k{n}", "x" * 1000)
        await store.close()
        monkeypatch.setattr(sqlite_file, "_PROGRESS_STEPS", 10)
        assert sqlite_file.check(path, patience=1.0, seconds=0.0) is False
        monkeypatch.setattr(time, "monotonic", count().__next__)
        again = sqlite_file.DatabaseFile(path)
        with caplog.at_level(logging.INFO, "chat2response.stores.sqlite.file"):
            again.check_once(patience=1.0)
        assert "only a part of it was checked" in caplog.text
