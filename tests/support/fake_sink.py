"""A sink that a test fills and drains by hand."""

from collections.abc import Callable


class FakeSink:
    """Records what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.full = False
        self.callbacks: list[Callable[[], None]] = []

    def write(self, data: bytes, /) -> None:
        self.writes.append(data)

    def on_drained(self, callback: Callable[[], None], /) -> None:
        if self.full:
            self.callbacks.append(callback)
        else:
            callback()

    def drain(self) -> None:
        """The client has read everything."""
        self.full = False
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()
