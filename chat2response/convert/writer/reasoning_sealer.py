"""`ReasoningSealer` puts the sealed text of each reasoning item into its `encrypted_content`.

A client that stores no responses at the gateway sends the item back; the backend then gets its own reasoning.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert.outcome import Outcome
from chat2response.convert.reasoning.provider_metadata import ProviderMetadata
from chat2response.convert.reasoning.sealed_reasoning import Seal, SealedReasoning, seal_reasoning
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import Wrapper
from chat2response.wire.responses import ItemStatus, Usage


class ReasoningSealer(Wrapper):
    """A Writer around another one.

    `carried`: provider metadata that the reader collects. `show`: whether the client also sees the plain
    text.
    """

    def __init__(self, inner: Writer, seal: Seal, carried: ProviderMetadata, *, show: bool = True) -> None:
        super().__init__(inner)
        self._seal = seal
        self._carried = carried
        self._show = show
        self._text: list[str] = []  # of the open item
        self._continues = False  # some reasoning of this turn is sealed already
        self._slots: set[Hashable] = set()

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._text.append(delta)
        if self._show:
            self._inner.reasoning(delta, summary=summary, id=id)

    def _seal_open_item(self, *, all: bool = False) -> None:
        """Seals the open item. `all`: metadata without an item is sealed too, in an item without text."""
        if self._text or (all and self._carried):
            reasoning = SealedReasoning("".join(self._text), self._carried.take(), self._continues)
            self._text.clear()
            self._continues = True
            self._inner.encrypted_content(seal_reasoning(reasoning, self._seal))

    # -- what ends a reasoning item ----------------------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._text:
            self._seal_open_item()
        self._inner.text(delta, logprobs, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._seal_open_item()
        self._inner.refusal(delta, id=id)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._seal_open_item()
        self._inner.annotation(annotation, in_turn=in_turn, id=id)

    def call(self, call: CallDelta, /) -> None:
        if call.slot not in self._slots:  # the signature of a call comes before it
            self._slots.add(call.slot)
            self._seal_open_item(all=True)
        self._inner.call(call)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._seal_open_item()
        self._inner.item(item, slot=slot, done=done)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        if not part:
            self._seal_open_item()
        self._inner.close_item(part=part, status=status)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        if outcome.status != "failed":
            self._seal_open_item(all=True)
        self._continues = False
        self._slots.clear()
        self._inner.end_turn(usage, outcome)
