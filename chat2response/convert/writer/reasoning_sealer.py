"""`Sealer`: a Writer that puts each reasoning item's text, sealed, into its `encrypted_content`.

A client that keeps no state with us gives the item back, and the backend gets the reasoning it wrote.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert.dialects.chat.answer.provider_metadata import ProviderMetadata
from chat2response.convert.outcome import Outcome
from chat2response.convert.sealed_reasoning import Seal, SealedReasoning, seal_reasoning
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import Wrapper
from chat2response.wire.responses import ItemStatus, Usage


class ReasoningSealer(Wrapper):
    """Writer around a Writer. `carried`: what the reader keeps beside the text. `show`: whether the text is
    seen too, or goes sealed only."""

    def __init__(self, inner: Writer, seal: Seal, carried: ProviderMetadata, *, show: bool = True) -> None:
        super().__init__(inner)
        self._seal = seal
        self._carried = carried
        self._show = show
        self._text: list[str] = []  # of the item that is open
        self._more = False  # something of this turn is sealed already
        self._slots: set[Hashable] = set()

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._text.append(delta)
        if self._show:
            self._inner.reasoning(delta, summary=summary, id=id)

    def _close(self, *, all: bool = False) -> None:
        """The open item ends. `all`: what has no item of its own is sealed too, in an empty one."""
        if self._text or (all and self._carried):
            thought = SealedReasoning("".join(self._text), self._carried.take(), self._more)
            self._text.clear()
            self._more = True
            self._inner.encrypted_content(seal_reasoning(thought, self._seal))

    # -- what ends a reasoning item ----------------------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._text:
            self._close()
        self._inner.text(delta, logprobs, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._close()
        self._inner.refusal(delta, id=id)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._close()
        self._inner.annotation(annotation, in_turn=in_turn, id=id)

    def call(self, slot: Hashable, **said: Any) -> None:
        if slot not in self._slots:  # a call's signature stands before it
            self._slots.add(slot)
            self._close(all=True)
        self._inner.call(slot, **said)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._close()
        self._inner.item(item, slot=slot, done=done)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        if not part:
            self._close()
        self._inner.close_item(part=part, status=status)

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        if outcome.status != "failed":
            self._close(all=True)
        self._more = False
        self._slots.clear()
        self._inner.end_turn(used, outcome)
