"""Builds and runs the native parts: the mock upstream and the load generator."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_MOCK = ("mock.c", "answers.c", "render.c", "chat.c", "responses.c", "answers.h", "render.h")
_SOURCES = {"mock": _MOCK, "load": ("load.c",)}


class MissingCompilerError(Exception):
    """No C compiler is installed. The message says which package to install."""


def build(name: str) -> Path:
    """Compiles `mock` or `load` if its source is newer. Returns the path of the binary.

    Raises MissingCompilerError, CalledProcessError.
    """
    sources = [_HERE / "native" / source for source in _SOURCES[name]]
    target = _HERE / ".build" / name
    if target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources):
        return target
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise MissingCompilerError(
            "The benchmark needs a C compiler. Install gcc (apt install gcc libc6-dev)."
        )
    target.parent.mkdir(exist_ok=True)
    units = [str(source) for source in sources if source.suffix == ".c"]
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(target), *units], check=True)
    return target


class MockDiedError(Exception):
    """The mock upstream died."""


class Mock:
    """The mock upstream, which runs on the harness's core until `stop`."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen([build("mock")], stdout=subprocess.PIPE, text=True)
        assert self._popen.stdout is not None
        self.port = int(self._popen.stdout.readline())

    def check(self) -> None:
        """Raises MockDiedError if the mock upstream has ended."""
        if self._popen.poll() is not None:
            raise MockDiedError(
                f"The mock upstream ended with {self._popen.returncode}, so the results are invalid."
            )

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of one load run. Times are in milliseconds, by percentile (`p50`, `p99`, ...)."""

    completed: int
    failed: int
    counted: int
    wall_s: float
    latency_ms: dict[str, float]
    first_ms: dict[str, float]
    failure: str


class Load:
    """A running load generator on the harness's core."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._popen = subprocess.Popen([build("load"), *arguments], stdout=subprocess.PIPE, text=True)

    def running(self) -> bool:
        return self._popen.poll() is None

    def result(self) -> LoadResult:
        """Waits for the end.

        Raises RuntimeError if the generator itself failed, for example on a closed port.
        """
        output, _ = self._popen.communicate()
        if self._popen.returncode:
            raise RuntimeError(f"the load generator exited with {self._popen.returncode}")
        document: dict[str, Any] = json.loads(output)
        return LoadResult(**{name: document[name] for name in LoadResult.__slots__})
