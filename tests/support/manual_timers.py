"""A clock and timers that a test advances by hand."""

from collections.abc import Callable
from typing import Any


class ManualTimers:
    """Timers with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any:
        handle = _Handle(self, self.now + delay, callback)
        self.due.append((handle.at, handle))
        return handle

    def advance(self, moment: float) -> None:
        """Advances the clock timer by timer."""
        while self.due and min(self.due, key=lambda each: each[0])[0] <= moment:
            at, handle = min(self.due, key=lambda each: each[0])
            self.due.remove((at, handle))
            self.now = at
            handle.callback()
        self.now = moment


class _Handle:
    def __init__(self, timers: ManualTimers, at: float, callback: Callable[[], None]) -> None:
        self.timers, self.at, self.callback = timers, at, callback

    def cancel(self) -> None:
        self.timers.due = [each for each in self.timers.due if each[1] is not self]
