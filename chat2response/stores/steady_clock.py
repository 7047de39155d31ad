"""A clock for expiry that ignores forward jumps of the wall clock.

A wall clock can jump: a virtual machine resumes, NTP corrects a wrong time, an operator makes a mistake. A
clock that runs ahead must not expire anything, because it may be set back. So a forward jump is accepted only
when it has lasted for an hour; until then the time continues from before it, by a monotonic clock. A backward
jump is accepted at once: then documents live longer. A process that starts with a wrong clock accepts it.

Expiry times are written by the wall clock and compared with this one, which is never ahead of it.
"""

import time
from collections.abc import Callable

ACCEPT_SECONDS = 3600.0
"""How long a forward jump must last to be accepted."""
JUMP_SECONDS = 5.0
"""A smaller difference from the monotonic clock is a correction, not a jump."""


class SteadyClock:
    """`wall`: epoch seconds; `monotonic`: seconds from any origin; None: every jump is accepted."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float] | None) -> None:
        self._wall = wall
        self._monotonic = monotonic or wall
        self._offset = wall() - self._monotonic()  # from the monotonic clock, before a jump
        self._jumped_at: float | None = None  # monotonic time of a jump that is not accepted yet

    def __call__(self) -> float:
        """The time to compare expiry times with, in epoch seconds."""
        wall, monotonic = self._wall(), self._monotonic()
        offset = wall - monotonic
        if offset - self._offset <= JUMP_SECONDS:
            self._offset, self._jumped_at = offset, None
            return wall
        if self._jumped_at is None:
            self._jumped_at = monotonic
        if monotonic - self._jumped_at < ACCEPT_SECONDS:
            return self._offset + monotonic
        self._offset, self._jumped_at = offset, None
        return wall


def monotonic_of(wall: Callable[[], float]) -> Callable[[], float] | None:
    """The monotonic clock for a wall clock; None for a test's clock."""
    return time.monotonic if wall is time.time else None
