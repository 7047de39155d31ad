"""The writer protocols: a reader of upstream answers calls a writer, which builds the response from that.

`ContentWriter` is enough for a whole Chat answer; `Writer` is what the reader of a stream needs. A method is
named after what the model produced.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.wire.responses import EventDict, ItemStatus, Usage


class ContentWriter(Protocol):
    """The part of `Writer` that a Chat answer needs."""

    @property
    def losses(self) -> Losses:
        """Collects what the response cannot represent of the upstream's answer."""
        ...

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        """Visible text. `id` is the upstream's id of the item; the response reuses it."""
        ...

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        """A citation in the open text part, in the flat form of Responses.

        `in_turn`: its indices count from the start of the turn's text (as in Chat), not of the part's.
        """
        ...

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        """The text of a refusal."""
        ...

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        """Reasoning text, raw or summarized."""
        ...

    def call(self, call: CallDelta, /) -> None:
        """A piece of a call."""
        ...


class Writer(ContentWriter, Protocol):
    """What a reader of a stream writes to. A `Wrapper` around it changes or adds to the calls."""

    @property
    def done(self) -> bool:
        """No more of this turn is needed (a wrapper found its end): the reader ends it as completed."""
        ...

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        """The `encrypted_content` of the open reasoning item; without one, an item without text is opened."""
        ...

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        """An output item that no other method covers: whole, or (`done=False`) only its beginning.

        An item that begins needs a `slot`. Call `item_event` in between, and this again with the whole item.
        """
        ...

    def item_event(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        """An event about the item `slot`, such as the progress of a search or of generated code."""
        ...

    def forward_event(self, event: EventDict) -> None:
        """An event that no other method covers and that belongs to no item. The writer numbers it anew."""
        ...

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        """Ends the open message or reasoning item; `part`: only its open part."""
        ...

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        """Ends the model's turn. This does not end the response: the engine may start another turn."""
        ...
