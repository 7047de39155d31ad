"""The native parts: compiled when their source is newer, the mock upstream, the load generator."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_SOURCES = {"mock": ("mock.c", "answers.c", "answers.h"), "load": ("load.c",)}


class MissingCompilerError(Exception):
    """There is no C compiler; the message says what to install."""


def build(name: str) -> Path:
    """The path of the compiled `mock` or `load`. Raises MissingCompilerError, CalledProcessError."""
    sources = [_HERE / "native" / source for source in _SOURCES[name]]
    target = _HERE / ".build" / name
    if target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources):
        return target
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise MissingCompilerError(
            "the benchmark needs a C compiler: install gcc (apt install gcc libc6-dev)"
        )
    target.parent.mkdir(exist_ok=True)
    units = [str(source) for source in sources if source.suffix == ".c"]
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(target), *units], check=True)
    return target


class MockDiedError(Exception):
    """The upstream of all contenders is gone."""


class Mock:
    """The mock upstream, running on the harness's own core until `stop`."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen([build("mock")], stdout=subprocess.PIPE, text=True)
        assert self._popen.stdout is not None
        self.port = int(self._popen.stdout.readline())

    def check(self) -> None:
        """Raises MockDiedError when nobody answers behind the contenders any more."""
        if self._popen.poll() is not None:
            raise MockDiedError(
                f"the mock upstream ended with {self._popen.returncode}: the run is worth nothing"
            )

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run of the load generator saw; times are milliseconds, by percentile (`p50`, `p99`, ...)."""

    completed: int
    failed: int
    counted: int
    wall_s: float
    latency_ms: dict[str, float]
    first_ms: dict[str, float]
    failure: str


class Load:
    """One run of the load generator, under way on the harness's own core."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._popen = subprocess.Popen([build("load"), *arguments], stdout=subprocess.PIPE, text=True)

    def running(self) -> bool:
        return self._popen.poll() is None

    def result(self) -> LoadResult:
        """Waits for the end. Raises RuntimeError when the generator itself broke (nobody listening, say)."""
        output, _ = self._popen.communicate()
        if self._popen.returncode:
            raise RuntimeError(f"the load generator exited with {self._popen.returncode}")
        seen: dict[str, Any] = json.loads(output)
        return LoadResult(**{name: seen[name] for name in LoadResult.__slots__})
