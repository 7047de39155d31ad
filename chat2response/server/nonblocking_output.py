"""`Outlet`: a way out of the process (stdout, stderr) that never blocks who writes to it.

A pipe whose reader has stopped is full after 64 KiB, and a write to it would stop the event loop with all it
serves. A thread writes; what it cannot get rid of waits up to a bound, then lines are dropped and counted.
"""

import atexit
import os
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import TextIO

_MOST = 1024 * 1024  # characters that wait
_TOGETHER = 0.02
"""Seconds between two writes: a line that comes alone is out at once, many come together. Waking a thread for
each would be most of what a line costs."""
_LAST_SECONDS = 1.0  # for what still waits when the process ends


class Outlet:
    """Writes to what `stream()` gives, in the order of the calls. Its thread begins with the first line.

    `shown`: what it makes of the lines before, many at a time.
    """

    def __init__(
        self, stream: Callable[[], TextIO], most: int = _MOST, shown: Callable[[str], str] = str
    ) -> None:
        self._stream = stream
        self._most = most
        self._shown = shown
        self._begin()
        atexit.register(self.flush)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)  # no thread survives a fork

    def _begin(self) -> None:
        self._lines: list[str] = []
        self._waiting = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Takes a line, its end included. Never waits."""
        with self._changed:
            if self._waiting and self._waiting + len(line) > self._most:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            if len(self._lines) > 1:
                return  # its thread knows
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float = _LAST_SECONDS) -> bool:
        """Waits until everything is out, for so long at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def _run(self) -> None:
        written = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
            if (pause := written + _TOGETHER - monotonic()) > 0:
                sleep(pause)  # what comes meanwhile is written with it
            with self._changed:
                text = "".join(self._lines)
                self._lines.clear()
                dropped, self._dropped = self._dropped, 0
            shown = self._shown(text)
            self._put(f"{shown}({dropped} lines were dropped: nobody read them)\n" if dropped else shown)
            written = monotonic()
            with self._changed:
                self._waiting -= len(text)
                self._changed.notify_all()

    def _put(self, text: str) -> None:
        try:
            stream = self._stream()
            try:
                number = stream.fileno()
            except (OSError, ValueError):  # no file is behind it
                stream.write(text)
                return
            data = text.encode("utf-8", "backslashreplace")
            while data:  # not through the stream: its lock would be held as long as this blocks
                data = data[os.write(number, data) :]
        except (OSError, ValueError):  # the reader is gone, or the stream closed: nobody is left to tell
            pass
