"""`OpenCall`: one call of a function or a custom tool while the model writes it.

Backends send a call's name late, in pieces, or again with every piece of the arguments; `added` has to
carry the whole name. So a call opens with its first argument text, or when something else begins.
"""

from typing import Any, Literal

from chat2response.convert.writer import output_items
from chat2response.convert.writer.events import ARGUMENTS, INPUT, Kind, Stream
from chat2response.wire.json import is_complete_object, may_end_object

CallKind = Literal["function", "custom"]
"""What is called: a function with JSON arguments, or a custom tool with a text as its input."""

KINDS: dict[CallKind, Kind] = {"function": ARGUMENTS, "custom": INPUT}
_MAX_NAME = 4096  # characters, and one piece more: no API takes a tenth of it
NAMELESS = ("message.tool_calls", "dropped: a call without a name")
RENAMED = ("message.tool_calls", "dropped: a name for a call that has one")
UNNAMED = "The upstream called a tool without saying which."
"""Why an answer fails whose only call that was."""


class OpenCall:
    """Assembles one call; the writer asks it what to emit."""

    __slots__ = (
        "_waiting", "call_id", "closed", "doc", "given_id", "kind", "name", "namespace", "order", "over",
        "stream",
    )  # fmt: skip

    def __init__(self, given_id: str | None, order: int) -> None:
        self.order = order
        """How many calls of the turn began before it."""
        self.given_id = given_id
        """The upstream's id of the item, where it has one."""
        self.kind: CallKind = "function"
        self.call_id = ""
        self.name = ""
        self.namespace: str | None = None
        self.doc: dict[str, Any] | None = None
        """The item, once it is open."""
        self.stream: Stream | None = None
        self.closed = False
        self.over = False
        """Its reader said that nothing more of it comes."""
        self._waiting: list[str] = []

    def learn(self, kind: CallKind, call_id: str | None, name: str | None, namespace: str | None) -> None:
        """Takes what a delta says about the call; what is settled stays."""
        if self.doc is not None:
            return
        if kind != "function":
            self.kind = kind
        if call_id and not self.call_id:
            self.call_id = call_id
        if namespace is not None:
            self.namespace = namespace
        if name and name != self.name and len(self.name) < _MAX_NAME:
            self.name += name

    def wait(self, delta: str) -> bool:
        """Keeps an argument piece until the name is known; says whether the call can open now."""
        self._waiting.append(delta)
        return bool(self.name)

    def open(self, item_id: str, output_index: int) -> Stream:
        """Makes the item; pieces that waited are for the writer to emit (`waiting`)."""
        kind = KINDS[self.kind]
        self.doc = output_items.call(kind, item_id, self.call_id, self.name, self.namespace)
        self.stream = Stream(kind, item_id, output_index)
        return self.stream

    def waiting(self) -> list[str]:
        """The pieces that came before it could open, each once."""
        pieces, self._waiting = self._waiting, []
        return pieces

    @property
    def complete(self) -> bool:
        """Whether nothing can follow: the arguments are one whole JSON object, or the reader said so."""
        if self.over or self.stream is None or self.kind != "function":
            return self.over
        pieces = (*self.stream.blocks, *self.stream.pieces)
        return may_end_object(pieces) and is_complete_object(self.stream.text)
