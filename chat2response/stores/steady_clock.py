"""A clock that no step of the wall clock carries ahead, for what may be forgotten.

A wall clock can jump: a virtual machine wakes up, NTP corrects a wrong time, an operator errs. What has ended
by a clock that ran ahead must not be removed, for the clock may go back. So a step ahead is believed only
when it has lasted for an hour; until then the time goes on from before it, by a monotonic clock. A step back
is believed at once: then documents live longer. A process that starts while the clock is wrong believes it.

Ends are written by the wall clock, and judged by this one, which is never ahead of it.
"""

import time
from collections.abc import Callable

BELIEVED_SECONDS = 3600.0
"""How long a step ahead must last."""
STEP_SECONDS = 5.0
"""A clock that moves by no more against the monotonic one is corrected, and has not jumped."""


class SteadyClock:
    """`wall`: epoch seconds; `monotonic`: seconds from anywhere. Without one, the wall clock is believed."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float] | None) -> None:
        self._wall = wall
        self._monotonic = monotonic or wall
        self._ahead = wall() - self._monotonic()  # of the monotonic clock, before a step
        self._stepped: float | None = None  # when a step was noticed that is not believed yet

    def __call__(self) -> float:
        """The time by which something has ended."""
        wall, monotonic = self._wall(), self._monotonic()
        ahead = wall - monotonic
        if ahead - self._ahead <= STEP_SECONDS:
            self._ahead, self._stepped = ahead, None
            return wall
        if self._stepped is None:
            self._stepped = monotonic
        if monotonic - self._stepped < BELIEVED_SECONDS:
            return self._ahead + monotonic
        self._ahead, self._stepped = ahead, None
        return wall


def monotonic_of(wall: Callable[[], float]) -> Callable[[], float] | None:
    """The clock beside a wall clock: none beside one that a test moves."""
    return time.monotonic if wall is time.time else None
