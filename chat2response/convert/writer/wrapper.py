"""`Wrapper`: a Writer that passes everything on; a cross-cutting work overrides what it looks at."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.open_call import CallKind
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.responses import EventDict, ItemStatus, Usage


class Wrapper:
    """Writer around a Writer."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    @property
    def losses(self) -> Losses:
        """The inner writer's."""
        return self._inner.losses

    @property
    def done(self) -> bool:
        """Whether a writer further in wants nothing more."""
        return self._inner.done

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        self._inner.text(delta, logprobs, id=id)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._inner.annotation(annotation, in_turn=in_turn, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._inner.refusal(delta, id=id)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._inner.reasoning(delta, summary=summary, id=id)

    def signature(self, blob: str, *, id: str | None = None) -> None:
        self._inner.signature(blob, id=id)

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
        self._inner.call(
            slot, kind=kind, call_id=call_id, name=name, namespace=namespace, delta=delta, last=last, id=id
        )

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._inner.item(item, slot=slot, done=done)

    def phase(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        self._inner.phase(slot, event_type, **fields)

    def adopt(self, event: EventDict) -> None:
        self._inner.adopt(event)

    def close(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        self._inner.close(part=part, status=status)

    def turn(self, used: Usage | None, outcome: Outcome) -> None:
        self._inner.turn(used, outcome)


class Holding(Wrapper, ABC):
    """A wrapper that holds text back: whatever else is said lets go of it first."""

    @abstractmethod
    def _flush(self) -> None:
        """Says what is held, as what it is after all."""

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._flush()
        super().annotation(annotation, in_turn=in_turn, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._flush()
        super().refusal(delta, id=id)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._flush()
        super().reasoning(delta, summary=summary, id=id)

    def call(self, slot: Hashable, **said: Any) -> None:
        self._flush()
        super().call(slot, **said)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._flush()
        super().item(item, slot=slot, done=done)

    def close(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        self._flush()
        super().close(part=part, status=status)

    def turn(self, used: Usage | None, outcome: Outcome) -> None:
        self._flush()
        super().turn(used, outcome)


def begun(text: str, word: str) -> int:
    """How many of the last characters of `text` may be the beginning of `word`, which is not in it."""
    most = min(len(word) - 1, len(text))
    return next((size for size in range(most, 0, -1) if word.startswith(text[-size:])), 0)
