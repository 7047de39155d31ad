"""Python processes that share a store file with the test."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import chat2response

ROOT = Path(next(iter(chat2response.__path__))).parent

PRELUDE = """
import asyncio, sys
from chat2response.stores import ABSENT, StoreDown
from chat2response.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1], deadline=10.0)
"""


async def start(body: str, *args: str) -> Process:
    """Run `PRELUDE` and `body`, which has an async `main`, in a process; `args[0]` is the store's path."""
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
