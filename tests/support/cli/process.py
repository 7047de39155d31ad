"""Runs the command line as users do: in a separate process and folder, with only the settings of the test."""

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
"""Seconds without output after which a process has failed. On a busy machine a start takes ten."""
_OURS = re.compile(r"(CHAT2RESPONSE|OPENAI)_|(BIND_ADDR|UPSTREAM_MODE|ENV_FILE)$", re.IGNORECASE)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, with `settings` in place of the gateway's settings.

    A command that finds no store calls the gateway on the default port, which may be the developer's own. Set
    BIND_ADDR for such a command.
    """
    inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return {**inherited, "PYTHONPATH": str(ROOT), **settings}


class Command:
    """A running command. `lines`: its output on stdout so far."""

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
        """The gateway's URL, from its first line."""
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
                if match := re.search(pattern, line):
                    return match
        assert self.process.stderr is not None
        output = "".join(lines) + (await self.process.stderr.read()).decode()
        raise AssertionError(f"the process ended before it printed {pattern!r}: {output}")


@asynccontextmanager
async def command(folder: Path, *args: str, **settings: str) -> AsyncIterator[Command]:
    """Starts `chat2response *args` in `folder`, and kills it at the end if it still runs."""
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
