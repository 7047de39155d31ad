"""The `Reader` protocol: interprets the answer of an upstream, as a stream or as a whole, and calls a writer.

A reader gets framed payloads; `EventFeed` does the framing. It never raises on data: what cannot be read ends
the turn with a matching outcome.
"""

from typing import Any, Protocol

from chat2response.convert.losses import Losses
from chat2response.errors import UpstreamError
from chat2response.wire.fault import Fault


class Reader(Protocol):
    """Reads one turn of a model. After its end, all methods do nothing."""

    @property
    def done(self) -> bool:
        """Whether the turn has ended."""
        ...

    @property
    def started(self) -> bool:
        """Whether an event has been read; comments do not count."""
        ...

    @property
    def output_chars(self) -> int:
        """The model's output so far, in characters."""
        ...

    @property
    def losses(self) -> Losses:
        """What the response cannot represent of the answer."""
        ...

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        """Reads the payload of one event. `last`: the stream ended in it, so it may be incomplete."""
        ...

    def value(self, answer: Any, /) -> None:
        """Reads a whole answer, decoded from JSON, that came in place of a stream."""
        ...

    def close(self, fault: Fault | None = None, /) -> None:
        """Ends the stream (`fault`: why it was cut). An answer without its regular end is a failure."""
        ...

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        ...
