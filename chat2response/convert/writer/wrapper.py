"""`Wrapper` is a Writer that forwards every call to another Writer; subclasses override what they change."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.responses import EventDict, ItemStatus, Usage


class Wrapper:
    """Forwards every call to the inner writer."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    @property
    def losses(self) -> Losses:
        """The losses of the inner writer."""
        return self._inner.losses

    @property
    def done(self) -> bool:
        """Whether an inner writer needs no more of this turn."""
        return self._inner.done

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        self._inner.text(delta, logprobs, id=id)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._inner.annotation(annotation, in_turn=in_turn, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._inner.refusal(delta, id=id)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._inner.reasoning(delta, summary=summary, id=id)

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        self._inner.encrypted_content(blob, id=id)

    def call(self, call: CallDelta, /) -> None:
        self._inner.call(call)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._inner.item(item, slot=slot, done=done)

    def item_event(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        self._inner.item_event(slot, event_type, **fields)

    def forward_event(self, event: EventDict) -> None:
        self._inner.forward_event(event)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        self._inner.close_item(part=part, status=status)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        self._inner.end_turn(usage, outcome)


class BufferingWrapper(Wrapper, ABC):
    """A wrapper that buffers text and releases it before any other call passes."""

    @abstractmethod
    def _flush(self) -> None:
        """Writes the buffered text to the inner writer, as what it turned out to be."""

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._flush()
        super().annotation(annotation, in_turn=in_turn, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._flush()
        super().refusal(delta, id=id)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._flush()
        super().reasoning(delta, summary=summary, id=id)

    def call(self, call: CallDelta, /) -> None:
        self._flush()
        super().call(call)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._flush()
        super().item(item, slot=slot, done=done)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        self._flush()
        super().close_item(part=part, status=status)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        self._flush()
        super().end_turn(usage, outcome)


def partial_match_length(text: str, target: str) -> int:
    """The length of the longest suffix of `text` that begins `target`. `target` must not be in `text`."""
    longest = min(len(target) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if target.startswith(text[-size:])), 0)
