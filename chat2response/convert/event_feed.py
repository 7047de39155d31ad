"""`EventFeed`: splits the bytes of a stream into the payloads of its events, for a reader."""

from chat2response.convert.reader import Reader
from chat2response.errors import UpstreamError
from chat2response.wire.fault import Fault
from chat2response.wire.sse import FrameDecoder


class EventFeed:
    """Machine[bytes, None] in front of a reader. How the bytes are cut does not change what is read."""

    __slots__ = ("_frames", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._frames = FrameDecoder()

    @property
    def done(self) -> bool:
        """Whether the reader needs no more bytes."""
        return self._reader.done

    def feed(self, data: bytes, /) -> None:
        """Takes the bytes of one network read."""
        reader = self._reader
        if reader.done:
            return
        for payload in self._frames.feed(data):
            reader.payload(payload)
            if reader.done:
                return
        if self._frames.overrun:
            reader.fail(UpstreamError("The upstream sent an event that is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """Ends the stream. An incomplete last event is read too, unless the stream was cut (`fault`)."""
        for payload in self._frames.close(fault):
            self._reader.payload(payload, last=True)
        self._reader.close(fault)
