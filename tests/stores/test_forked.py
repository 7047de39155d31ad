"""A store that was made before a fork, as the workers' is: each process hears what the others change."""

from pathlib import Path
from statistics import median

from tests.support.redis_server import RedisServer
from tests.support.stores.processes import finish, start

ROUNDS = 7
BOUND = 0.2  # seconds; as the median, for one round may meet a machine that does something else

FORKED = f"""
import os, time

async def follow(told):
    async for change in store.changes("things"):
        key = change if isinstance(change, str) else "missed"
        os.write(told, f"{{key}} {{time.monotonic()}}\\n".encode())

async def write(heard):
    lines = os.fdopen(heard)
    await asyncio.to_thread(lines.readline)  # it follows
    for n in range({ROUNDS}):
        await store.put("things", f"k{{n}}", n)
        done = time.monotonic()
        key, at = (await asyncio.to_thread(lines.readline)).split()
        assert key == f"k{{n}}", key
        print(float(at) - done, flush=True)

async def main():  # `asyncio.run` is of the process that called it
    raise SystemExit

heard, told = os.pipe()
child = os.fork()
if child == 0:
    asyncio.run(follow(told))
try:
    asyncio.run(asyncio.wait_for(write(heard), 50))
finally:
    os.kill(child, 9)
    os.waitpid(child, 0)
sys.exit(0)
"""


async def delays(address: str) -> list[float]:
    """Seconds from each change in one process until the other has heard of it."""
    return [float(word) for word in (await finish(await start(FORKED, address))).split()]


async def test_a_worker_hears_another_one_s_changes_at_once_with_redis(redis_server: RedisServer) -> None:
    found = await delays(redis_server.url)
    assert len(found) == ROUNDS
    assert median(found) < BOUND, found


async def test_a_worker_hears_another_one_s_changes_at_once_with_sqlite(tmp_path: Path) -> None:
    found = await delays(f"sqlite:{tmp_path / 'docs.db'}")
    assert len(found) == ROUNDS
    assert median(found) < BOUND, found
