"""The events of a response: dicts as on the wire, except for deltas, which are small objects.

Nearly all events are deltas. A `Delta` refers to its `Stream` (an open part, or the arguments of a call),
where an encoder keeps the bytes that all deltas of the stream share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chat2response.wire.responses import EventDict
from chat2response.wire.values import Struct


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of streamed text: its events, and where the finished text is stored."""

    item: str
    """The type of its item."""
    part: str
    """The type of its part; empty if the text is a field of the item itself."""
    holder: str
    """The field of the item: `content`, `summary`, `arguments` or `input`."""
    value: str
    """The key of the text in the part and in the `done` event."""
    delta: str
    done: str
    index: str | None
    """The key of the part's index in events; None without parts."""


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
    """The deltas of one part, or of the arguments of one call."""

    kind: Kind
    item_id: str
    output_index: int
    index: int = 0
    pieces: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    """The text before `pieces`, joined: many small strings take more memory than their text."""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    head: bytes | None = None
    """Set by an encoder: the bytes before the text of each delta."""

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join((*self.blocks, *self.pieces))

    def join_pieces(self) -> None:
        """Joins the pieces into one block, so that `text` has fewer strings to join."""
        self.blocks.append("".join(self.pieces))
        self.pieces.clear()

    def position(self) -> EventDict:
        """The keys of an event that locate the stream in the response."""
        position: EventDict = {"item_id": self.item_id, "output_index": self.output_index}
        if self.kind.index:
            position[self.kind.index] = self.index
        return position


class Delta(Struct, gc=False):
    """One upstream delta. Deltas are never merged (law 3, chunking must not matter)."""

    stream: Stream
    text: str
    sequence_number: int
    logprobs: Sequence[dict[str, Any]] = ()

    def as_dict(self) -> EventDict:
        """The event in its wire form."""
        kind = self.stream.kind
        event = {
            "type": kind.delta,
            "sequence_number": self.sequence_number,
            **self.stream.position(),
            "delta": self.text,
        }
        if kind is TEXT:
            event["logprobs"] = list(self.logprobs)
        return event


Event = EventDict | Delta
