"""The injected time and ids of the tests: they move only when a test says so."""

from collections import Counter


class Clock:
    """A clock that stands still. Call it for the time in epoch seconds, as the code under test does."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Ids:
    """An id source that counts, for each prefix on its own: `msg_0001`, `msg_0002`, `resp_0001`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]:04d}"
