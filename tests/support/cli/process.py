"""The command line as users run it: a process of its own, in a folder of its own, with an environment that
says nothing about us but what a test says."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.house.source import ROOT

PATIENCE = 60.0
"""Seconds after which a process that says nothing is a failure: on a busy machine one starts in ten."""
_OURS = re.compile(r"(CHAT2RESPONSE|OPENAI)_|(BIND_ADDR|UPSTREAM_MODE|ENV_FILE)$", re.IGNORECASE)


def environment(**settings: str) -> dict[str, str]:
    """This one's, without our settings but `settings`.

    A command that finds no store asks the gateway of the usual port, which may be the developer's own: give
    such a one a BIND_ADDR.
    """
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


class Command:
    """A running command. `lines`: what it has said on stdout so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, pattern: str) -> re.Match[str]:
        """Reads lines until one matches."""
        assert self.process.stdout is not None
        return await self._read_until(self.process.stdout, pattern, self.lines)

    async def logged(self, pattern: str) -> re.Match[str]:
        """Reads the log until a line matches."""
        assert self.process.stderr is not None
        return await self._read_until(self.process.stderr, pattern, [])

    async def url(self) -> str:
        """Where it listens, as its first line says."""
        return (await self.until(r" on (http://\S+)"))[1]

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def _read_until(
        self, stream: asyncio.StreamReader, pattern: str, lines: list[str]
    ) -> re.Match[str]:
        async with asyncio.timeout(PATIENCE):
            while line := (await stream.readline()).decode():
                lines.append(line)
                if found := re.search(pattern, line):
                    return found
        assert self.process.stderr is not None
        said = "".join(lines) + (await self.process.stderr.read()).decode()
        raise AssertionError(f"it ended before it said {pattern!r}: {said}")


@asynccontextmanager
async def command(folder: Path, *args: str, **settings: str) -> AsyncIterator[Command]:
    """`chat2response *args`, started in `folder`; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chat2response",
        *args,
        cwd=folder,
        env=environment(**settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
