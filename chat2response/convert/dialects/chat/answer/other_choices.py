"""What stands beside the deltas of the first choice; it is buffered until the turn ends.

No request asks an upstream for several choices, yet some backends split one turn over two: the text in the
first, its calls in the next. Others send a `message` in place of a `delta`: once at the end, in pieces, or
growing.
"""

from itertools import pairwise
from typing import Any

from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.unknown_keys import UnknownKeys
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import weigh
from chat2response.wire.chat import DeltaShape, delta_of

_TEXT = ("content", "refusal", "annotations", "audio", "images")
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking_blocks")
_ADDITIONS = ("tool_calls", "function_call", "refusal", "annotations", "audio", "images")
"""Fields that a message may add to the deltas."""


class OtherChoices:
    """The choices after the first, in the order in which they come."""

    def __init__(self) -> None:
        self.weight = 0
        """The approximate size in bytes."""
        self._deltas: dict[str, list[tuple[DeltaShape, Any]]] = {}
        self._finish: dict[str, str] = {}

    def add(self, index: Any, delta: DeltaShape | None, logprobs: Any, finish: Any) -> None:
        """Buffers what one chunk has of another choice."""
        key = short_name(str(index))
        deltas = self._deltas.setdefault(key, [])
        if delta is not None:
            self.weight += sum(weigh(getattr(delta, name)) for name in delta.__struct_fields__)
            deltas.append((delta, logprobs))
        if ending := finish_reason_text(finish):
            self._finish[key] = ending

    def write(self, reader: DeltaReader, losses: Losses, *, has_text: bool) -> list[str]:
        """Writes the buffered deltas; returns the finish reasons of the choices that had any output.

        Their calls belong to the turn. A choice's text belongs to the turn if no choice before it has text
        (`has_text`: the first has); otherwise it may be another answer to the same request, and is a loss.
        """
        reasons = []
        for number, (key, deltas) in enumerate(self._deltas.items(), 1):
            before = reader.output_chars
            has_text = has_text or reader.text_chars > 0
            _without(deltas, _TEXT, f"choices[{key}].message.content", losses, drop=has_text)
            has_reasoning = reader.reasoning_chars > 0
            _without(deltas, _THOUGHTS, f"choices[{key}].message.reasoning", losses, drop=has_reasoning)
            for delta, logprobs in deltas:
                reader.read(delta, None if has_text else logprobs, number)
            if reader.output_chars > before and key in self._finish:
                reasons.append(self._finish[key])
        return reasons


def _without(
    deltas: list[tuple[DeltaShape, Any]], names: tuple[str, ...], loss: str, losses: Losses, *, drop: bool
) -> None:
    for delta, _ in deltas if drop else ():
        for name in names:
            if getattr(delta, name):
                setattr(delta, name, None)
                losses.add(loss, "dropped: the first choice has its own")


class WholeMessages:
    """The messages of one choice: each a piece of it, or each the whole so far."""

    def __init__(self) -> None:
        self.weight = 0
        """The approximate size in bytes."""
        self._all: list[dict[str, Any]] = []

    def add(self, message: Any) -> None:
        """Buffers the message of one chunk."""
        if type(message) is str:
            message = {"content": message}
        if type(message) is dict:
            self.weight += weigh(message)
            self._all.append(message)

    def write(self, reader: DeltaReader, text_chars: int, losses: Losses) -> None:
        """Writes what the deltas (with `text_chars` of text) did not have; reports unknown keys."""
        reasoning_chars = reader.reasoning_chars
        content = self._unstreamed("content", text_chars, reader.last_text, losses)
        last = reader.last_reasoning
        for name in _THOUGHTS[:2]:
            if reasoning := self._unstreamed(name, reasoning_chars, last, losses):
                reader.read(DeltaShape(**{name: reasoning}))
        if content:
            reader.read(DeltaShape(content=content))
        calls = [calls for message in self._all if type(calls := message.get("tool_calls")) is list and calls]
        grows = len(calls) > 1 and all(_grows(one, later) for one, later in pairwise(calls))
        unknown_keys = UnknownKeys(losses)
        for message in self._all:
            unknown_keys.report(message)
            remainder = {key: value for key, value in message.items() if not _is_text(key, value)}
            if grows and remainder.get("tool_calls") is not calls[-1]:
                remainder.pop("tool_calls", None)
            if text_chars or reasoning_chars:
                missing = {name for name in _ADDITIONS if not reader.has_output(name)}
                remainder = {key: value for key, value in remainder.items() if key in missing}
            reader.read(delta_of(with_indices(remainder)), again=True)

    def _unstreamed(self, name: str, streamed: int, last: str, losses: Losses) -> str:
        """The text of all messages behind what was streamed: `streamed` characters, ending in `last`."""
        whole = self._joined(name)
        if streamed and whole and (len(whole) < streamed or not whole[:streamed].endswith(last)):
            losses.add(f"message.{name}", "dropped: it differs from what was streamed")
            return ""
        return whole[streamed:]

    def _joined(self, name: str) -> str:
        pieces = [piece for message in self._all if (piece := as_string(message.get(name)))]
        grows = len(pieces) > 1 and all(later.startswith(piece) for piece, later in pairwise(pieces))
        return pieces[-1] if grows else "".join(pieces)


def _grows(calls: list[Any], later: list[Any]) -> bool:
    """Whether the later calls are the same, with more arguments or with more calls after them."""
    pairs = [*zip(map(_name_and_arguments, calls), map(_name_and_arguments, later), strict=False)]
    return len(later) >= len(calls) and all(
        name == same and text and whole.startswith(text) for (name, text), (same, whole) in pairs
    )


def _name_and_arguments(call: Any) -> tuple[str, str]:
    function = call.get("function") if type(call) is dict else None
    fields = function if type(function) is dict else {}
    return as_string(fields.get("name")), as_string(fields.get("arguments"))


def _is_text(key: str, value: Any) -> bool:
    return key in ("content", *_THOUGHTS[:2]) and type(value) is str


def with_indices(message: dict[str, Any]) -> dict[str, Any]:
    """The message with an index on each of its calls, as deltas have it."""
    calls = message.get("tool_calls")
    if type(calls) is not list:
        return message
    calls = [call for call in calls if call is not None]
    indexed = [{**call, "index": index} if type(call) is dict else call for index, call in enumerate(calls)]
    return {**message, "tool_calls": indexed}
