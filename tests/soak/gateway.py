"""A gateway in a process of its own, under attack: where it listens, whether it lives, what it takes."""

import asyncio
import contextlib
import json
import os
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cli.process import Command, command
from tests.e2e.gateway import OPERATOR_KEY
from tests.soak.raw import ANSWER_WITHIN, Answer, NoAnswer, ask, request
from tests.upstream import ScriptedUpstream

ADMIN_TOKEN = "soak-admin-token-0123456789abcdef"
ALIVE_WITHIN = 10.0
"""Seconds in which /livez answers, whatever goes on: many, since the machine may be busy otherwise."""
MOST_MEMORY = 512 * 2**20
"""Bytes that it may take at its peak, whatever comes."""
BY_ADMIN = f"X-Admin-Token: {ADMIN_TOKEN}"
_JSON = "Content-Type: application/json"


class Gateway:
    """One that is up; its admin plane wants a token from everywhere."""

    def __init__(self, process: Command, port: int) -> None:
        self.command = process
        self.port = port
        self.log: deque[str] = deque(maxlen=200)
        """The newest lines of its log."""
        self.fault: list[str] = []
        """The first traceback in its log, and what follows."""
        self.key = ""

    @property
    def pid(self) -> int:
        return self.command.process.pid

    async def issue(self, **fields: Any) -> str:
        """A new key's token."""
        answer = await self.admin("POST", "/keys/generate", {"label": "soak", **fields})
        assert answer.status == 200, str(answer)
        token: str = answer.json()["token"]
        return token

    async def admin(self, method: str, target: str, body: Any = None) -> Answer:
        """A request with the admin token."""
        data = None if body is None else json.dumps(body).encode()
        return await ask(self.port, request(method, target, data, BY_ADMIN, _JSON), method=method)

    async def call(self, path: str, body: Any, key: str | None = None) -> Answer:
        """A call of a client with a key."""
        data = json.dumps(body).encode()
        bearer = f"Authorization: Bearer {self.key if key is None else key}"
        return await ask(self.port, request("POST", path, data, bearer, _JSON))

    async def readiness(self) -> int:
        """The status of /readyz."""
        return (await ask(self.port, request("GET", "/readyz"), method="GET")).status

    async def alive(self) -> float:
        """How many seconds /livez takes. Raises where that is too long, or the process is gone."""
        began = time.monotonic()
        assert self.command.process.returncode is None, f"the gateway ended: {list(self.log)}"
        answer = await ask(self.port, request("GET", "/livez"), method="GET")
        assert answer.status == 200, str(answer)
        taken = time.monotonic() - began
        assert taken < ALIVE_WITHIN, f"/livez took {taken:.1f} s"
        return taken

    async def gauge(self, name: str) -> float:
        """A value of /metrics."""
        answer = await self.admin("GET", "/metrics")
        assert answer.status == 200, str(answer)
        found = re.search(rf"^{name} (\S+)$", answer.body.decode(), re.MULTILINE)
        assert found, f"/metrics has no {name}"
        return float(found[1])

    async def at_rest(self) -> None:
        """Waits until no call runs any more."""
        async with asyncio.timeout(ANSWER_WITHIN):
            while await self.gauge("chat2response_in_flight"):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)

    def resident(self) -> int:
        """Bytes of memory that it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """The most bytes of memory that it ever held."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def assert_no_traceback(self) -> None:
        """Nothing went wrong in it that it did not expect."""
        assert not self.fault, "the log tells of a fault:\n" + "".join(self.fault)

    def hear(self, line: str) -> None:
        """Takes a line of its log."""
        if (self.fault or line.startswith("Traceback")) and len(self.fault) < 80:
            self.fault.append(line)
        self.log.append(line)


@asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream | str, mode: str, store: str = "memory", **settings: str
) -> AsyncIterator[Gateway]:
    """Started, watched, and judged at its end: it lives, it is at rest, and its log has no traceback.

    `upstream`: a scripted one, or the address of another.
    """
    url = upstream if isinstance(upstream, str) else upstream.url
    env = {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": OPERATOR_KEY,
        "UPSTREAM_MODE": mode,
        "CHAT2RESPONSE_ADMIN_TOKEN": ADMIN_TOKEN,
        "CHAT2RESPONSE_STATE_DIR": str(folder),
        **settings,
    }
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, **env) as process:
        running = Gateway(process, int((await process.url()).rpartition(":")[2]))
        streams = (process.process.stdout, process.process.stderr)
        readers = [asyncio.ensure_future(_drain(each, running.hear)) for each in streams]
        watch = asyncio.ensure_future(_watch(running))
        try:
            running.key = await running.issue()
            yield running
            if watch.done():
                watch.result()
            await running.alive()
            await running.at_rest()
            assert running.peak() < MOST_MEMORY, f"it took {running.peak() >> 20} MiB"
            running.assert_no_traceback()
        finally:
            for task in (watch, *readers):
                task.cancel()
            await asyncio.wait((watch, *readers))


async def _watch(running: Gateway) -> None:
    """Asks all the time whether it lives."""
    while True:
        with contextlib.suppress(NoAnswer, OSError):  # tests kill it, and open more files than there are
            await running.alive()
        await asyncio.sleep(0.1)


async def _drain(stream: asyncio.StreamReader | None, hear: Callable[[str], None]) -> None:
    """Reads what it says, so that it never waits for us."""
    assert stream is not None
    while line := await stream.readline():
        hear(line.decode(errors="replace"))
