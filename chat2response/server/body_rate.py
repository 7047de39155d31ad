"""`Pace`: whether a body that comes by and by comes fast enough."""

from chat2response.server import error_answers

WINDOW = 30.0  # seconds over which the rate is taken


class Pace:
    """Made when the rest of a body is awaited. Times are of the loop's clock.

    `pause`: seconds that the body may be silent; `rate`: bytes of body a second, 0 for any.
    """

    __slots__ = ("_brought", "_heard", "_pause", "_rate", "_since")

    def __init__(self, pause: float, rate: int, now: float) -> None:
        self._pause = pause
        self._rate = rate
        self.restart(now)

    def restart(self, now: float) -> None:
        """Nobody read until now: neither the pause nor the rate was the client's."""
        self._heard = self._since = now
        self._brought = 0

    def hear(self, now: float) -> None:
        """Something came, if only of the body's framing."""
        self._heard = now

    def take(self, size: int) -> None:
        """Bytes of the body came."""
        self._brought += size

    def due(self, now: float) -> float:
        """Seconds until the next look."""
        pause = self._heard + self._pause - now
        return min(pause, self._since + WINDOW - now) if self._rate else pause

    def fault(self, now: float) -> bytes | None:
        """The refusal where it is too slow."""
        if now >= self._heard + self._pause:
            return error_answers.PAUSED
        if self._rate and now >= self._since + WINDOW:
            if self._brought < self._rate * WINDOW:
                return error_answers.too_thin(self._rate, WINDOW)
            self._since = now
            self._brought = 0
        return None
