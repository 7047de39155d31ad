"""A gateway under attack: where it listens, whether it lives, what it takes.

It has a process of its own in long runs, and where a test needs one (to kill it, to weigh it). In short runs
it is in the test's own process, on a real socket all the same: to start one costs more than what they try.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chat2response.engine.engine import EngineOptions
from chat2response.settings import Settings
from tests.support.cli.process import command
from tests.support.e2e.gateway import OPERATOR_KEY
from tests.support.e2e.gateway import running as in_process
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.raw_http import ANSWER_WITHIN, Answer, NoAnswer, ask, request

ADMIN_TOKEN = "soak-admin-token-0123456789abcdef"
ALIVE_WITHIN = 10.0
"""Seconds in which /livez answers, whatever goes on: many, since the machine may be busy otherwise."""
MOST_MEMORY = 512 * 2**20
"""Bytes that it may take at its peak, whatever comes."""
BY_ADMIN = f"X-Admin-Token: {ADMIN_TOKEN}"
_JSON = "Content-Type: application/json"


class Gateway:
    """One that is up; its admin plane wants a token from everywhere."""

    def __init__(self, port: int, process: Process | None) -> None:
        self.port = port
        self.process = process
        self.log: deque[str] = deque(maxlen=200)
        """The newest lines of its log."""
        self.fault: list[str] = []
        """The first traceback in its log, and what follows."""
        self.key = ""

    @property
    def pid(self) -> int:
        """That of its own process."""
        assert self.process is not None
        return self.process.pid

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
        gone = self.process is not None and self.process.returncode is not None
        assert not gone, f"the gateway ended: {list(self.log)}"
        answer = await ask(self.port, request("GET", "/livez"), method="GET")
        assert answer.status == 200, str(answer)
        taken = time.monotonic() - began
        assert taken < ALIVE_WITHIN, f"/livez took {taken:.1f} s"
        return taken

    async def gauge(self, name: str) -> float:
        """A value of /metrics."""
        answer = await self.admin("GET", "/metrics")
        assert answer.status == 200, str(answer)
        match = re.search(rf"^{name} (\S+)$", answer.body.decode(), re.MULTILINE)
        assert match, f"/metrics has no {name}"
        return float(match[1])

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
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert match
        return int(match[1]) * 1024

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
    folder: Path,
    upstream: ScriptedUpstream | str,
    mode: str,
    store: str = "memory",
    *,
    apart: bool,
    **settings: str,
) -> AsyncIterator[Gateway]:
    """Started, watched, and judged at its end: it lives, it is at rest, and its log has no traceback.

    `upstream`: a scripted one, or the address of another. `apart`: in a process of its own.
    """
    settings = {
        "OPENAI_BASE_URL": upstream if isinstance(upstream, str) else upstream.url,
        "OPENAI_API_KEY": OPERATOR_KEY,
        "UPSTREAM_MODE": mode,
        "CHAT2RESPONSE_ADMIN_TOKEN": ADMIN_TOKEN,
        "CHAT2RESPONSE_STATE_DIR": str(folder),
        **settings,
    }
    async with (_apart if apart else _inside)(folder, store, settings) as started:
        watch = asyncio.ensure_future(_watch(started))
        try:
            started.key = await started.issue()
            yield started
            if watch.done():
                watch.result()
            await started.alive()
            await started.at_rest()
            if apart:
                assert started.peak() < MOST_MEMORY, f"it took {started.peak() >> 20} MiB"
            started.assert_no_traceback()
        finally:
            watch.cancel()
            await asyncio.wait((watch,))


@asynccontextmanager
async def _apart(folder: Path, store: str, settings: dict[str, str]) -> AsyncIterator[Gateway]:
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, **settings) as started:
        port = int((await started.url()).rpartition(":")[2])
        own = Gateway(port, started.process)
        streams = (started.process.stdout, started.process.stderr)
        readers = [asyncio.ensure_future(_drain(each, own.hear)) for each in streams]
        try:
            yield own
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)


@asynccontextmanager
async def _inside(folder: Path, store: str, settings: dict[str, str]) -> AsyncIterator[Gateway]:
    named: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    named["UPSTREAM_MODE"] = named.pop("upstream_mode")
    read = Settings(_env_file=None, **named)  # type: ignore[call-arg]
    async with in_process(read, store=store, hold=EngineOptions().hold) as started:
        inside = Gateway(started.port, None)
        handler = _LogHandler(inside.hear)
        logging.getLogger().addHandler(handler)
        try:
            yield inside
        finally:
            logging.getLogger().removeHandler(handler)


class _LogHandler(logging.Handler):
    """Hands on each line of the log."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines(keepends=True):
            self._hear(line)


async def _watch(started: Gateway) -> None:
    """Asks all the time whether it lives."""
    while True:
        with contextlib.suppress(NoAnswer, OSError):  # tests kill it, and open more files than there are
            await started.alive()
        await asyncio.sleep(0.1)


async def _drain(stream: asyncio.StreamReader | None, hear: Callable[[str], None]) -> None:
    """Reads what it says, so that it never waits for us."""
    assert stream is not None
    while line := await stream.readline():
        hear(line.decode(errors="replace"))
