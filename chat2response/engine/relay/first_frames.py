"""`FirstFrames`: what a stream writes before its head is sent."""

from codecs import BOM_UTF8
from collections.abc import Callable

from chat2response.wire import sse

_MAX_BUFFERED = 64 * 1024  # bytes of comments that are buffered before the first event


class FirstFrames:
    """A Sink that is full once the first event has come. Then the head of the answer can be decided."""

    def __init__(self, on_full: Callable[[], None]) -> None:
        self.event: bytes | None = None
        """The payload of the first event; None: so far there are only comments."""
        self.full = False
        """Whether the wait is over: by an event, by too many comments, or by the time."""
        self._frames = b""
        self._on_full = on_full

    def write(self, data: bytes, /) -> None:
        """Takes whole frames."""
        self._frames += data
        self.event = sse.first_payload(data.removeprefix(BOM_UTF8))
        if self.event is not None or len(self._frames) >= _MAX_BUFFERED:
            self.give_up()

    def on_drained(self, callback: Callable[[], None], /) -> None:
        """Does nothing: `take` comes before the stream goes on."""

    def give_up(self) -> None:
        """Ends the wait."""
        self.full = True
        self._on_full()

    def take(self) -> bytes:
        """The frames."""
        frames, self._frames = self._frames, b""
        return frames
