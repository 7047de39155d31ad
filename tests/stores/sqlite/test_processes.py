"""Several processes on one SQLite file: no write is lost, and acknowledged writes survive `kill -9`."""

import logging
import random
import sqlite3
from pathlib import Path

import pytest

from chat2response.stores.sqlite.store import SqliteStore
from tests.support.stores.processes import INCREMENTS, PROCESSES, count, count_together, finish, start

WRITE = """
async def main():
    n = 0
    while True:
        await store.put("acks", f"{sys.argv[2]}-{n}", {"n": n})
        print(n, flush=True)
        n += 1
"""

# A file-size limit makes the kernel refuse the write: a real I/O error, like that of a full disk.
RUN_FULL = """
import resource
async def main():
    await store.put("things", "before", "x")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, hard))
    for attempt in range(2):
        try:
            await store.put("things", "big", "x" * 200_000)
            print("written")
        except StoreDown as down:
            print("down", down.internal)
    print("still there" if (await store.get("things", "before")).doc == "x" else "lost")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    print("recovered" if await store.put("things", "big", "x" * 200_000) else "refused")
    await store.close()
"""

# If two processes switch a new file to WAL at the same moment, SQLite fails one, whatever its timeout.
OPEN_TOGETHER = """
import os, time
from pathlib import Path
from chat2response.stores.sqlite.file import DatabaseFile
from chat2response.stores.sqlite.connection import SqliteConnection

def both_open(path):
    at = time.monotonic() + 0.005
    child = os.fork()
    while time.monotonic() < at:
        pass
    try:
        SqliteConnection(DatabaseFile(path), patience=2.0).close()
        failed = None
    except Exception as error:
        failed = error
    if not child:
        os._exit(1 if failed else 0)
    return not failed and os.waitpid(child, 0)[1] == 0

async def main():
    print(all([both_open(Path(sys.argv[2]) / f"{n}.db") for n in range(100)]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "docs.db"


async def test_processes_that_count_lose_nothing(path: Path) -> None:
    await count(f"sqlite:{path}")
    store = SqliteStore(path)
    entry = await store.get("counts", "n")
    await store.close()
    assert entry is not None
    assert entry.doc == PROCESSES * INCREMENTS


async def test_processes_get_together_exactly_what_there_is(path: Path) -> None:
    await count_together(f"sqlite:{path}")


async def test_those_who_make_the_file_together_both_open_it(tmp_path: Path) -> None:
    assert await finish(await start(OPEN_TOGETHER, "memory", str(tmp_path))) == "True\n"


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    logging.getLogger(__name__).warning("seed %d", seed)  # shown when the test fails
    for round_ in range(4):
        writer = await start(WRITE, f"sqlite:{path}", str(round_))
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 60)):
            last = await writer.stdout.readline()
        writer.kill()
        rest, _ = await writer.communicate()
        acknowledged = int((last + rest).split(b"\n")[-2])
        store = SqliteStore(path)
        entries = await store.get_many("acks", [f"{round_}-{n}" for n in range(acknowledged + 1)])
        await store.close()
        assert [entry and entry.doc for entry in entries] == [{"n": n} for n in range(acknowledged + 1)]
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    conn.close()


async def test_a_disk_that_refuses_is_down_and_recovers(path: Path) -> None:
    lines = (await finish(await start(RUN_FULL, f"sqlite:{path}"))).splitlines()
    assert [line.split()[0] for line in lines] == ["down", "down", "still", "recovered"]
