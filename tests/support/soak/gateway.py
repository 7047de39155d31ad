"""A gateway under attack: its port, its liveness, its memory.

In long runs, and if a test needs to kill or measure it, the gateway is a separate process. In short runs it
runs in the test's process, on a real socket: to start a process would take longer than the test.
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

from chat2response.engine.parts import EngineOptions
from chat2response.settings import Settings
from tests.support.cli.process import command
from tests.support.e2e.gateway import OPERATOR_KEY
from tests.support.e2e.gateway import running as in_process
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.raw_http import ANSWER_WITHIN, Answer, NoAnswer, ask, request

ADMIN_TOKEN = "soak-admin-token-0123456789abcdef"
ALIVE_WITHIN = 10.0
"""Seconds within which /livez must answer, generous because the machine may be busy."""
MAX_MEMORY = 512 * 2**20
"""The maximum peak memory in bytes."""
BY_ADMIN = f"X-Admin-Token: {ADMIN_TOKEN}"
_JSON = "Content-Type: application/json"


class Gateway:
    """A running gateway, whose admin plane requires a token from every address."""

    def __init__(self, port: int, process: Process | None) -> None:
        self.port = port
        self.process = process
        self.log: deque[str] = deque(maxlen=200)
        """The last lines of the log."""
        self.fault: list[str] = []
        """The first traceback in the log, and the lines after it."""
        self.key = ""

    @property
    def pid(self) -> int:
        """The id of the separate process."""
        assert self.process is not None
        return self.process.pid

    async def issue(self, **fields: Any) -> str:
        """Issues a key; its token."""
        answer = await self.admin("POST", "/keys/generate", {"label": "soak", **fields})
        assert answer.status == 200, str(answer)
        token: str = answer.json()["token"]
        return token

    async def admin(self, method: str, target: str, body: Any = None) -> Answer:
        """Sends a request with the admin token."""
        data = None if body is None else json.dumps(body).encode()
        return await ask(self.port, request(method, target, data, BY_ADMIN, _JSON), method=method)

    async def call(self, path: str, body: Any, key: str | None = None) -> Answer:
        """Sends a client's call with a key."""
        data = json.dumps(body).encode()
        bearer = f"Authorization: Bearer {self.key if key is None else key}"
        return await ask(self.port, request("POST", path, data, bearer, _JSON))

    async def readiness(self) -> int:
        """The status of /readyz."""
        return (await ask(self.port, request("GET", "/readyz"), method="GET")).status

    async def alive(self) -> float:
        """The seconds that /livez takes. Fails if that is too long, or the process has ended."""
        started = time.monotonic()
        gone = self.process is not None and self.process.returncode is not None
        assert not gone, f"the gateway ended: {list(self.log)}"
        answer = await ask(self.port, request("GET", "/livez"), method="GET")
        assert answer.status == 200, str(answer)
        seconds = time.monotonic() - started
        assert seconds < ALIVE_WITHIN, f"/livez took {seconds:.1f} s"
        return seconds

    async def gauge(self, name: str) -> float:
        """A value of /metrics."""
        answer = await self.admin("GET", "/metrics")
        assert answer.status == 200, str(answer)
        match = re.search(rf"^{name} (\S+)$", answer.body.decode(), re.MULTILINE)
        assert match, f"/metrics has no {name}"
        return float(match[1])

    async def at_rest(self) -> None:
        """Waits until no call is running."""
        async with asyncio.timeout(ANSWER_WITHIN):
            while await self.gauge("chat2response_in_flight"):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.05)

    def resident(self) -> int:
        """The current memory in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """The peak memory in bytes."""
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert match
        return int(match[1]) * 1024

    def assert_no_traceback(self) -> None:
        """Checks that the log has no traceback."""
        assert not self.fault, "the log has a traceback:\n" + "".join(self.fault)

    def add_line(self, line: str) -> None:
        """Stores a line of the log."""
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
    """Starts a gateway and polls its liveness; at the end checks that it lives and is idle, without a
    traceback.

    `upstream`: a scripted one, or the URL of another. `apart`: run a separate process.
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
        watch = asyncio.ensure_future(_poll_liveness(started))
        try:
            started.key = await started.issue()
            yield started
            if watch.done():
                watch.result()
            await started.alive()
            await started.at_rest()
            if apart:
                assert started.peak() < MAX_MEMORY, f"it took {started.peak() >> 20} MiB"
            started.assert_no_traceback()
        finally:
            watch.cancel()
            await asyncio.wait((watch,))


@asynccontextmanager
async def _apart(folder: Path, store: str, settings: dict[str, str]) -> AsyncIterator[Gateway]:
    args = ("--bind", "127.0.0.1:0", f"--keys-backend={store}")
    async with command(folder, *args, **settings) as started:
        port = int((await started.url()).rpartition(":")[2])
        gateway = Gateway(port, started.process)
        streams = (started.process.stdout, started.process.stderr)
        readers = [asyncio.ensure_future(_drain(each, gateway.add_line)) for each in streams]
        try:
            yield gateway
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)


@asynccontextmanager
async def _inside(folder: Path, store: str, settings: dict[str, str]) -> AsyncIterator[Gateway]:
    named: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    named["UPSTREAM_MODE"] = named.pop("upstream_mode")
    read = Settings(_env_file=None, **named)  # type: ignore[call-arg]
    async with in_process(read, store=store, hold=EngineOptions().first_event_timeout) as started:
        inside = Gateway(started.port, None)
        handler = _LogLines(inside.add_line)
        logging.getLogger().addHandler(handler)
        try:
            yield inside
        finally:
            logging.getLogger().removeHandler(handler)


class _LogLines(logging.Handler):
    """Passes each line of the log to a callback."""

    def __init__(self, add_line: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._add_line = add_line

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines(keepends=True):
            self._add_line(line)


async def _poll_liveness(started: Gateway) -> None:
    """Polls /livez until it is cancelled."""
    while True:
        with contextlib.suppress(NoAnswer, OSError):  # tests kill it, and exhaust its file descriptors
            await started.alive()
        await asyncio.sleep(0.1)


async def _drain(stream: asyncio.StreamReader | None, add_line: Callable[[str], None]) -> None:
    """Reads the output, so that the gateway never blocks on it."""
    assert stream is not None
    while line := await stream.readline():
        add_line(line.decode(errors="replace"))
