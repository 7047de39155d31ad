"""Events inside the house: dicts as on the wire, but for deltas, of which there are many.

A `Delta` is a few slots; it points at the `Stream` it belongs to (an open part, or a call's arguments),
and that is where an encoder keeps the bytes that all deltas of one stream share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chat2response.wire.responses import EventDict


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of text that streams: its events, and where the finished text is kept."""

    item: str
    """The type of the item that holds it."""
    part: str
    """The type of the part; empty where the text is a field of the item itself."""
    holder: str
    """The item's field: `content`, `summary`, `arguments`, `input`."""
    value: str
    """The key of the text, in the part and in the `done` event."""
    delta: str
    done: str
    index: str | None
    """The key of the part's number in events."""


TEXT = Kind(
    "message",
    "output_text",
    "content",
    "text",
    "response.output_text.delta",
    "response.output_text.done",
    "content_index",
)
REFUSAL = Kind(
    "message",
    "refusal",
    "content",
    "refusal",
    "response.refusal.delta",
    "response.refusal.done",
    "content_index",
)
REASONING = Kind(
    "reasoning",
    "reasoning_text",
    "content",
    "text",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "content_index",
)
SUMMARY = Kind(
    "reasoning",
    "summary_text",
    "summary",
    "text",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "summary_index",
)
ARGUMENTS = Kind(
    "function_call",
    "",
    "arguments",
    "arguments",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    None,
)
INPUT = Kind(
    "custom_tool_call",
    "",
    "input",
    "input",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    None,
)


@dataclass(slots=True, eq=False)
class Stream:
    """One run of deltas of one kind."""

    kind: Kind
    item_id: str
    output_index: int
    index: int = 0
    pieces: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    """What came before the pieces, joined: many small strings cost more than their text."""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    head: bytes | None = None
    """An encoder's: what comes before the text of each delta."""

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join((*self.blocks, *self.pieces))

    def join_pieces(self) -> None:
        """Makes one block of the pieces. Each is joined once, and once more by `text`."""
        self.blocks.append("".join(self.pieces))
        self.pieces.clear()

    def where(self) -> EventDict:
        """The keys that say where in the response it stands."""
        place: EventDict = {"item_id": self.item_id, "output_index": self.output_index}
        if self.kind.index:
            place[self.kind.index] = self.index
        return place


class Delta:
    """One upstream delta: never merged with the next (law 3)."""

    __slots__ = ("logprobs", "sequence_number", "stream", "text")

    def __init__(
        self, stream: Stream, text: str, sequence_number: int, logprobs: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.stream = stream
        self.text = text
        self.sequence_number = sequence_number
        self.logprobs = logprobs

    def as_dict(self) -> EventDict:
        """The event as it stands on the wire."""
        kind = self.stream.kind
        event = {
            "type": kind.delta,
            "sequence_number": self.sequence_number,
            **self.stream.where(),
            "delta": self.text,
        }
        if kind is TEXT:
            event["logprobs"] = list(self.logprobs)
        return event


Event = EventDict | Delta
