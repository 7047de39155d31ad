"""Python processes that share a store with the test."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import chat2response

ROOT = Path(next(iter(chat2response.__path__))).parent

PRELUDE = """
import asyncio, sys
from chat2response.stores import ABSENT, StoreDown, open_store
store = open_store(sys.argv[1], deadline=10.0)
"""

PROCESSES, INCREMENTS = 4, 40

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
    """What it printed; it must have ended well."""
    out, _ = await process.communicate(b"")  # b"": closes its stdin
    assert process.returncode == 0
    return out.decode()


async def count(address: str) -> None:
    """Processes that start together add one, again and again, to one document of the store."""
    counters = [await start(COUNT, address) for _ in range(PROCESSES)]  # the first open is a race, too
    for counter in counters:
        assert counter.stdout is not None
        assert await counter.stdout.readline() == b"ready\n"
    await asyncio.gather(*(finish(counter) for counter in counters))
