"""Prints one line per step, with an estimate of the remaining time."""

from __future__ import annotations

import sys
import time


class Progress:
    """Estimates the remaining time from expected times, scaled by how long the steps so far really took."""

    def __init__(self) -> None:
        self._done = 0.0
        self._remaining = 0.0
        self._started = time.monotonic()

    def plan(self, remaining_seconds: float) -> None:
        """Sets the expected seconds of all remaining steps."""
        self._remaining = remaining_seconds

    def step(self, expected_seconds: float) -> None:
        """Notes the end of a step that was expected to take so long."""
        self._done += expected_seconds

    def show(self, text: str) -> None:
        pace = self.elapsed / self._done if self._done > 5 else 1.0
        seconds = max(0, round(self._remaining * pace))
        print(f"[{seconds // 60:2d}m{seconds % 60:02d}s left] {text}", file=sys.stderr, flush=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started
