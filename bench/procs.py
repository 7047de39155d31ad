"""Processes under test: each runs on its own core, is measured through /proc, and stops with its children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server under test and that of everything else; equal on a machine with one core."""

    server: int
    client: int

    @classmethod
    def choose(cls) -> Cores:
        """The first two cores this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1 % len(usable)])


class StartError(Exception):
    """A contender did not start or died. The message shows the end of its output."""


class Process:
    """A server in its own process group, on `core`, with its output in a file. It dies with the harness."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, core: int) -> None:
        self._log = cwd / "output.log"

        def isolate() -> None:
            os.sched_setaffinity(0, {core})
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        with self._log.open("wb") as log:
            self.started = time.monotonic()
            self._popen = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=isolate,
            )
        self.pid = self._popen.pid

    def wait_for_port(self, port: int, timeout: float = 20.0) -> float:
        """Seconds from exec until `port` accepts a connection. Raises StartError."""
        while (elapsed := time.monotonic() - self.started) < timeout:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return time.monotonic() - self.started
            self.check()
            time.sleep(0.001)
        raise StartError(f"not listening after {elapsed:.0f} s: {self.output_tail()}")

    def check(self) -> None:
        """Raises StartError if the process has ended by itself."""
        if self._popen.poll() is not None:
            raise StartError(f"ended with {self._popen.returncode}: {self.output_tail()}")

    def output_tail(self) -> str:
        """The last lines of the process's output, joined into one."""
        text = self._log.read_text(errors="replace").strip()
        return " | ".join(text.splitlines()[-3:])[-300:] or "(no output)"

    def cpu_seconds(self) -> float:
        """User and system time of the process tree so far, including reaped children."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.pid))

    def rss_mib(self) -> float:
        """Resident memory of the process tree; pages that processes share count for each."""
        return sum(_resident_pages(pid) for pid in _tree(self.pid)) * _PAGE / 2**20

    def stop(self) -> None:
        """Sends SIGTERM, waits two seconds, then sends SIGKILL to the whole group."""
        self._signal(signal.SIGTERM)
        try:
            self._popen.wait(2)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (the state) on; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    pids = [root]
    for pid in pids:
        pids += children.get(pid, [])
    return pids


def _cpu_seconds(pid: int) -> float:
    fields = _fields(pid)
    if not fields:
        return 0.0
    reaped = (int(fields[13]) + int(fields[14])) / _TICKS
    try:
        # The process's CPU clock (see clock_getcpuclockid(3)): the sum that /proc/PID/stat rounds to 10 ms.
        own = time.clock_gettime((~pid << 3) | 2)
    except OSError:
        own = (int(fields[11]) + int(fields[12])) / _TICKS
    return own + reaped


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
