"""`Sink`: where a stream goes. The engine pushes; nobody pulls."""

from collections.abc import Callable
from typing import Protocol

from chat2response.engine.wakeup import Wakeup


class Sink(Protocol):
    """Takes the bytes of one stream. No method raises, not even after the client has disconnected."""

    @property
    def full(self) -> bool:
        """Whether the client reads more slowly than the stream is written. Whoever writes then pauses."""
        ...

    def write(self, data: bytes, /) -> None:
        """Sends whole frames. Takes them even if the sink is full; ignores empty data."""
        ...

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Calls `callback` once: when the sink is no longer full (at once, if it is not), or the client has
        disconnected. It may come after the end of the stream."""
        ...


class NoSink:
    """Drops what is written: takes the place of a sink before the start of a stream and after its end."""

    full = False

    def write(self, data: bytes, /) -> None:
        """Drops `data`."""

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Calls `callback` at once: nobody has to be waited for."""
        callback()


NO_SINK = NoSink()


async def drained(sink: Sink) -> None:
    """Waits until the sink is no longer full."""
    wakeup = Wakeup()
    sink.on_drained(wakeup.set)
    await wakeup.wait()
