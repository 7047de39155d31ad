"""`BodyRate`: checks that a request body arrives fast enough."""

from chat2response.server import error_answers

WINDOW = 30.0  # seconds over which the rate is measured


class BodyRate:
    """Measures a body from the moment the server waits for the rest of it. Times are the event loop's.

    `max_pause`: seconds that the body may be silent. `min_rate`: bytes per second; 0 turns the check off.
    """

    __slots__ = ("_last_read", "_max_pause", "_min_rate", "_received", "_window_start")

    def __init__(self, max_pause: float, min_rate: int, now: float) -> None:
        self._max_pause = max_pause
        self._min_rate = min_rate
        self.restart(now)

    def restart(self, now: float) -> None:
        """Starts over after a time in which the server itself did not read."""
        self._last_read = self._window_start = now
        self._received = 0

    def touch(self, now: float) -> None:
        """Notes a read, which may have brought nothing but framing."""
        self._last_read = now

    def add(self, size: int) -> None:
        """Counts bytes of the body."""
        self._received += size

    def next_check(self, now: float) -> float:
        """Seconds until `rejection` has to be called."""
        pause = self._last_read + self._max_pause - now
        return min(pause, self._window_start + WINDOW - now) if self._min_rate else pause

    def rejection(self, now: float) -> bytes | None:
        """The error answer for a body that is too slow, else None."""
        if now >= self._last_read + self._max_pause:
            return error_answers.BODY_PAUSED
        if self._min_rate and now >= self._window_start + WINDOW:
            if self._received < self._min_rate * WINDOW:
                return error_answers.body_too_slow(self._min_rate, WINDOW)
            self._window_start = now
            self._received = 0
        return None
