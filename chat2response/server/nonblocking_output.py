"""`NonBlockingOutput`: writes to stdout or stderr without ever blocking the caller.

A pipe whose reader has stopped is full after 64 KiB, and a write to it would block the event loop. So a
thread writes. Lines that it cannot write wait in a bounded buffer; beyond the bound they are dropped and
counted.
"""

import atexit
import os
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import TextIO

_MAX_BUFFERED = 1024 * 1024  # characters
_WRITE_INTERVAL = 0.1
"""Seconds between two writes. A single line is written at once, many lines together: waking the thread for
each line would be most of its cost."""
_FLUSH_SECONDS = 1.0  # at the end of the process


class NonBlockingOutput:
    """Writes to the stream that `stream()` returns, in the order of the calls. The first line starts the
    thread.

    `transform`: is applied to the text of many lines before they are written.
    """

    def __init__(
        self,
        stream: Callable[[], TextIO],
        max_buffered: int = _MAX_BUFFERED,
        transform: Callable[[str], str] = str,
    ) -> None:
        self._stream = stream
        self._max_buffered = max_buffered
        self._transform = transform
        self._reset()
        atexit.register(self.flush)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # no thread survives a fork

    def _reset(self) -> None:
        self._lines: list[str] = []
        self._waiting = 0
        self._dropped = 0
        self._lock = threading.RLock()  # reentrant: a signal's handler may write a line, too
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Buffers a line, which includes its newline. Never blocks."""
        with self._lock:
            waiting, lines = self._waiting, self._lines
            if waiting and waiting + len(line) > self._max_buffered:
                self._dropped += 1
                return
            self._waiting = waiting + len(line)
            lines.append(line)
            if len(lines) > 1:
                return  # the thread is awake already
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Waits at most `seconds` until the buffer is written. Returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def _run(self) -> None:
        written = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
            if (pause := written + _WRITE_INTERVAL - monotonic()) > 0:
                sleep(pause)  # lines that arrive meanwhile join this write
            with self._changed:
                text = "".join(self._lines)
                self._lines.clear()
                dropped, self._dropped = self._dropped, 0
            shown = self._transform(text)
            self._put(
                f"{shown}({dropped} log lines dropped: nothing reads this output)\n" if dropped else shown
            )
            written = monotonic()
            with self._changed:
                self._waiting -= len(text)
                self._changed.notify_all()

    def _put(self, text: str) -> None:
        try:
            stream = self._stream()
            try:
                descriptor = stream.fileno()
            except (OSError, ValueError):  # the stream has no file
                stream.write(text)
                return
            data = text.encode("utf-8", "backslashreplace")
            while data:  # not through the stream: a blocked write would keep its lock
                data = data[os.write(descriptor, data) :]
        except (OSError, ValueError):  # no reader, or a closed stream: nowhere to report it
            pass
