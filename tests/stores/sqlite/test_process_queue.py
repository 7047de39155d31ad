"""The write queue: writers of several processes take turns, and none waits for ever."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat2response.stores.sqlite.process_queue import WriteQueue
from chat2response.stores.sqlite.store import SqliteStore
from tests.support.stores.processes import finish, start

PATIENCE = 30.0

HOLD = """
from pathlib import Path
from chat2response.stores.sqlite.process_queue import WriteQueue

async def main():
    with WriteQueue(Path(sys.argv[2]), patience=30.0).turn():
        print("locked", flush=True)
        sys.stdin.read()
"""


@contextmanager
def queue(path: Path, patience: float = PATIENCE) -> Iterator[WriteQueue]:
    write_queue = WriteQueue(path, patience=patience)
    try:
        yield write_queue
    finally:
        write_queue.close()


def is_locked(path: Path) -> bool:
    """Whether a process has locked this file."""
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def test_who_has_just_written_is_behind_the_one_that_waits(tmp_path: Path) -> None:
    path, order, waits = tmp_path / "docs.db", [], threading.Event()

    def write_once(waiting: WriteQueue) -> None:
        waits.set()
        with waiting.turn():
            order.append("the one that waits")

    with queue(path) as busy, queue(path) as waiting:
        thread = threading.Thread(target=write_once, args=(waiting,))
        with busy.turn():
            order.append("busy")
            thread.start()
            waits.wait(PATIENCE)
            while not is_locked(tmp_path / "docs.db-turn"):  # until it is next
                pass
        with busy.turn():
            order.append("busy again")
        thread.join(PATIENCE)
    assert order == ["busy", "the one that waits", "busy again"]


async def test_a_process_that_is_killed_in_its_turn_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "docs.db"
    holder = await start(HOLD, "memory", str(path))
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"locked\n"
    assert is_locked(tmp_path / "docs.db-write")
    holder.kill()
    await holder.communicate()
    assert not is_locked(tmp_path / "docs.db-write")
    assert not is_locked(tmp_path / "docs.db-turn")


async def test_who_waits_too_long_writes_without_a_turn(tmp_path: Path) -> None:
    path = tmp_path / "docs.db"
    holder = await start(
        HOLD, "memory", str(path)
    )  # like a process that was suspended between two statements
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"locked\n"
    store = SqliteStore(path, deadline=4.0)
    assert await store.put("things", "k", 1)
    await store.close()
    await finish(holder)


@pytest.mark.parametrize("kind", ["turn", "write"])
async def test_without_the_lock_files_it_writes_all_the_same(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"docs.db-{kind}").mkdir()  # so that it cannot be opened
    store = SqliteStore(tmp_path / "docs.db")
    assert await store.put("things", "k", 1)
    await store.close()
