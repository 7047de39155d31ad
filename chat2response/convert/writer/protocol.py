"""What a reader can say: `Speech` of a whole Chat answer, `Writer` of a stream. Wrappers are Writers too."""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.open_call import CallKind
from chat2response.wire.responses import EventDict, ItemStatus, Usage


class Speech(Protocol):
    """What a Chat answer can say, of a Writer's vocabulary."""

    @property
    def losses(self) -> Losses:
        """What the upstream said and the answer cannot."""
        ...

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        """Visible text. `id` is the upstream's own id of the item, kept where there is one."""
        ...

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        """A citation in the text part that is open; flat, as Responses writes it.

        `in_turn`: its places count from the start of the turn's text (as Chat has it), not of the part.
        """
        ...

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        """Text of a refusal."""
        ...

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        """The model's thoughts: raw, or as a summary."""
        ...

    def call(
        self,
        slot: Hashable,
        *,
        kind: CallKind = "function",
        call_id: str | None = None,
        name: str | None = None,
        namespace: str | None = None,
        delta: str = "",
        last: bool = False,
        id: str | None = None,
    ) -> None:
        """A piece of the call `slot` (the reader's handle, unique within the turn).

        `kind` counts from the first piece on. `last`: the call is whole, nothing more of it comes.
        """
        ...


class Writer(Speech, Protocol):
    """What a reader writes to. Cross-cutting work wraps one of these."""

    @property
    def done(self) -> bool:
        """Nothing more is wanted from this turn (a wrapper saw its end): the reader ends it as completed."""
        ...

    def signature(self, blob: str, *, id: str | None = None) -> None:
        """The `encrypted_content` of the reasoning item that is open, or of one without text."""
        ...

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        """An item that no other method can say: whole, or (`done=False`) as it begins.

        What begins has a `slot`; it is said again, whole, at its end, and `phase` tells what happens between.
        """
        ...

    def phase(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        """An event of its own about the item `slot`: a search that runs, code that is written."""
        ...

    def adopt(self, event: EventDict) -> None:
        """An event that no method can say and that belongs to no item; it gets our number."""
        ...

    def close(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        """Ends the open message or reasoning item, or only its open part."""
        ...

    def turn(self, used: Usage | None, outcome: Outcome) -> None:
        """A model turn ended. Not terminal: the engine may go on with another."""
        ...
