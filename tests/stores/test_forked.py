"""A store from before a fork, like the workers' stores: each process follows the changes of the others."""

from pathlib import Path
from statistics import median

from tests.support.redis_server import RedisServer
from tests.support.stores.processes import finish, start

ROUNDS = 7
BOUND = 0.2  # seconds; for the median, because a busy machine may delay single rounds

FORKED = f"""
import os, time

async def follow(pipe):
    async for change in store.changes("things"):
        key = change if isinstance(change, str) else "missed"
        os.write(pipe, f"{{key}} {{time.monotonic()}}\\n".encode())

async def write(pipe):
    lines = os.fdopen(pipe)
    await asyncio.to_thread(lines.readline)  # it follows
    for n in range({ROUNDS}):
        await store.put("things", f"k{{n}}", n)
        done = time.monotonic()
        key, at = (await asyncio.to_thread(lines.readline)).split()
        assert key == f"k{{n}}", key
        print(float(at) - done, flush=True)

async def main():  # never runs: an event loop must not be forked, so the processes start their own
    raise SystemExit

receiver, sender = os.pipe()
child = os.fork()
if child == 0:
    asyncio.run(follow(sender))
try:
    asyncio.run(asyncio.wait_for(write(receiver), 50))
finally:
    os.kill(child, 9)
    os.waitpid(child, 0)
sys.exit(0)
"""


async def delays(address: str) -> list[float]:
    """Seconds from each change in one process until the other process's feed reports it."""
    return [float(delay) for delay in (await finish(await start(FORKED, address))).split()]


async def test_a_worker_hears_another_one_s_changes_at_once_with_redis(redis_server: RedisServer) -> None:
    measured = await delays(redis_server.url)
    assert len(measured) == ROUNDS
    assert median(measured) < BOUND, measured


async def test_a_worker_hears_another_one_s_changes_at_once_with_sqlite(tmp_path: Path) -> None:
    measured = await delays(f"sqlite:{tmp_path / 'docs.db'}")
    assert len(measured) == ROUNDS
    assert median(measured) < BOUND, measured
