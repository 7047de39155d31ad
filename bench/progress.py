"""One line per step, with an estimate of the time that is left."""

from __future__ import annotations

import sys
import time


class Progress:
    """Steps have an expected length; what is left is scaled by how the steps so far kept to theirs."""

    def __init__(self) -> None:
        self._done = 0.0
        self._remaining = 0.0
        self._begun = time.monotonic()

    def plan(self, remaining_seconds: float) -> None:
        """What is still to come should take so long."""
        self._remaining = remaining_seconds

    def step(self, expected_seconds: float) -> None:
        """A step that should have taken so long is over."""
        self._done += expected_seconds

    def say(self, text: str) -> None:
        pace = self.elapsed / self._done if self._done > 5 else 1.0
        seconds = max(0, round(self._remaining * pace))
        print(f"[{seconds // 60:2d}m{seconds % 60:02d}s left] {text}", file=sys.stderr, flush=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun
