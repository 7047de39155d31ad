"""`EventLog` numbers the events of one response, and keeps them until they are taken."""

from typing import Any

from chat2response.convert.writer.events import Delta, Event, Stream
from chat2response.wire.responses import EventDict

MAX_PIECES = 1024
"""The most pieces of a text before they are joined."""


class EventLog:
    """The events that were created and not taken yet. Only it gives a `sequence_number`.

    The two writers of most deltas append these themselves: a function call would cost more than its body.
    """

    __slots__ = ("events", "number")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.number = 0
        """The number of the next event, which is also the number of events so far."""

    def emit(self, event_type: str, **fields: Any) -> None:
        event: EventDict = {"type": event_type, "sequence_number": self.number}
        event.update(fields)
        self.events.append(event)
        self.number += 1

    def delta(self, stream: Stream, text: str) -> None:
        if len(stream.pieces) > MAX_PIECES:
            stream.join_pieces()
        stream.pieces.append(text)
        self.events.append(Delta(stream, text, self.number))
        self.number += 1

    def withdraw_last(self) -> None:
        """Removes the last event, which must not have been taken. The next one gets its number."""
        self.events.pop()
        self.number -= 1
