"""`CallBuilder` assembles one call of a function or custom tool while the model writes it.

Backends send a call's name late, in pieces, or again with every piece of the arguments, but the event
`response.output_item.added` must carry the whole name. So the output item of a call is opened when its first
argument text arrives, or when something else begins.
"""

from typing import Any

from chat2response.convert.writer import output_items
from chat2response.convert.writer.call_delta import CallDelta, CallKind
from chat2response.convert.writer.events import ARGUMENTS, INPUT, Kind, Stream
from chat2response.wire.json import is_complete_object, may_end_object

STREAM_KINDS: dict[CallKind, Kind] = {"function": ARGUMENTS, "custom": INPUT}
_MAX_NAME = 4096  # characters; the last piece may exceed it. No API accepts a tenth of this.
NAMELESS_CALL = ("message.tool_calls", "dropped: a call without a name")
RENAMED_CALL = ("message.tool_calls", "dropped: a name for a call that has one")
NAMELESS_CALL_MESSAGE = "The upstream called a tool without naming it."
"""The error of an answer that contains nothing but a call without a name."""


class CallBuilder:
    """Collects the pieces of one call; the writer decides what to emit from them."""

    __slots__ = (
        "_buffered", "call_id", "closed", "ended", "item", "kind", "name", "namespace", "order", "stream",
        "upstream_id",
    )  # fmt: skip

    def __init__(self, upstream_id: str | None, order: int) -> None:
        self.order = order
        """The number of calls in this turn that began earlier."""
        self.upstream_id = upstream_id
        """The upstream's id of the item, if it sent one."""
        self.kind: CallKind = "function"
        self.call_id = ""
        self.name = ""
        self.namespace: str | None = None
        self.item: dict[str, Any] | None = None
        """The output item; None until it is opened."""
        self.stream: Stream | None = None
        self.closed = False
        self.ended = False
        """The reader has sent the last piece of this call."""
        self._buffered: list[str] = []

    def update(self, call: CallDelta) -> None:
        """Takes the fields of a delta that came before the item is open. Fields that are already set stay."""
        if call.kind != "function":
            self.kind = call.kind
        if call.call_id and not self.call_id:
            self.call_id = call.call_id
        if call.namespace is not None:
            self.namespace = call.namespace
        name = call.name
        if name and name != self.name and len(self.name) < _MAX_NAME:
            self.name += name

    def buffer(self, delta: str) -> bool:
        """Stores a piece of the arguments until the item is open. Returns whether it can be opened now."""
        self._buffered.append(delta)
        return bool(self.name)

    def open(self, item_id: str, output_index: int) -> Stream:
        """Creates the item. The writer then emits the buffered pieces (`take_buffered`)."""
        kind = STREAM_KINDS[self.kind]
        self.item = output_items.call(kind, item_id, self.call_id, self.name, self.namespace)
        self.stream = Stream(kind, item_id, output_index)
        return self.stream

    def take_buffered(self) -> list[str]:
        """The pieces that arrived before the item was opened; the buffer is empty afterwards."""
        pieces, self._buffered = self._buffered, []
        return pieces

    @property
    def complete(self) -> bool:
        """Whether nothing can follow: the reader ended the call, or its arguments are a whole JSON object."""
        if self.ended or self.stream is None or self.kind != "function":
            return self.ended
        pieces = (*self.stream.blocks, *self.stream.pieces)
        return may_end_object(pieces) and is_complete_object(self.stream.text)
