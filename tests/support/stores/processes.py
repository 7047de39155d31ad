"""Python processes that share a store with the test."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import chat2response
from chat2response.stores import open_store

ROOT = Path(next(iter(chat2response.__path__))).parent

PRELUDE = """
import asyncio, sys
from chat2response.stores import ABSENT, StoreDown, open_store
store = open_store(sys.argv[1], deadline=10.0)
"""

PROCESSES, INCREMENTS = 4, 40
CEILING = 100  # that all processes share; they try for more

COUNT = f"""
async def main():
    await store.open()
    print("ready", flush=True)
    sys.stdin.read()
    for _ in range({INCREMENTS}):
        while True:
            entry = await store.get("counts", "n")
            if entry is None:
                won = await store.put("counts", "n", 1, expect=ABSENT)
            else:
                won = await store.put("counts", "n", entry.doc + 1, expect=entry.tag)
            if won:
                break
    await store.close()
"""


async def start(body: str, *args: str) -> Process:
    """Run `PRELUDE` and `body`, which has an async `main`, in a process; `args[0]` is the store's address."""
    script = f"{PRELUDE}\n{body}\nasyncio.run(main())"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", script, *args, env=env, stdin=PIPE, stdout=PIPE
    )


async def finish(process: Process) -> str:
    """The process's output; it must exit with 0."""
    out, _ = await process.communicate(b"")  # b"": closes its stdin
    assert process.returncode == 0
    return out.decode()


async def count(address: str) -> None:
    """Several processes at once increment one document of the store many times."""
    counters = [await start(COUNT, address) for _ in range(PROCESSES)]  # the first open is a race, too
    for counter in counters:
        assert counter.stdout is not None
        assert await counter.stdout.readline() == b"ready\n"
    await asyncio.gather(*(finish(counter) for counter in counters))


ADD = f"""
async def main():
    await store.open()
    print("ready", flush=True)
    sys.stdin.read()
    granted = counted = 0
    for n in range({INCREMENTS}):
        counted += await store.add("counts", "n", 1, ceiling={CEILING}) is not None
        await store.add("counts", "free", 2)
        lease = await store.lease("books", "k", 3, ceiling=3 * {CEILING}, ttl=600)
        if lease.id is not None:
            granted += 1
            await store.settle("books", "k", lease.id, 3)
        await store.append("logs", "k", [[sys.argv[2], n]])
    print(counted, granted)
    await store.close()
"""


async def count_together(address: str) -> None:
    """Several processes at once add, lease and append; together they get exactly what is available."""
    counters = [await start(ADD, address, str(n)) for n in range(PROCESSES)]
    for counter in counters:
        assert counter.stdout is not None
        assert await counter.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(finish(counter) for counter in counters))
    results = [[int(number) for number in each.split()] for each in outputs]
    assert [sum(column) for column in zip(*results, strict=True)] == [CEILING, CEILING]
    store = open_store(address)
    try:
        assert await store.add("counts", "n", 0) == CEILING
        assert await store.add("counts", "free", 0) == 2 * PROCESSES * INCREMENTS
        assert (await store.lease("books", "k", 0, ttl=1)).used == 3 * CEILING
        log = await store.read("logs", "k", limit=PROCESSES * INCREMENTS + 1)
    finally:
        await store.close()
    for process in range(PROCESSES):
        assert [n for writer, n in log if writer == str(process)] == list(range(INCREMENTS))
    assert len(log) == PROCESSES * INCREMENTS
