"""What stands beside the deltas of the first choice, kept until the turn ends.

Nobody asks an upstream for several choices, yet some split one turn over two: the text in the first, its
calls in the next. Others send a `message` where a `delta` belongs: once at the end, in pieces, or growing.
"""

from itertools import pairwise
from typing import Any

from chat2response.convert.dialects.chat.answer.delta_reader import DeltaReader
from chat2response.convert.dialects.chat.answer.unknown_keys import Unread
from chat2response.convert.finish_reasons import finish_reason_text
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import weigh
from chat2response.wire.chat import DeltaShape, delta_of

_TEXT = ("content", "refusal", "annotations", "audio", "images")
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking_blocks")
_NOT_SAID = ("tool_calls", "function_call", "refusal", "annotations", "audio", "images")
"""What a message may say behind deltas that did not."""


class OtherChoices:
    """Those after the first, in the order in which they come."""

    def __init__(self) -> None:
        self.weight = 0
        """In bytes, roughly."""
        self._said: dict[str, list[tuple[DeltaShape, Any]]] = {}
        self._finish: dict[str, str] = {}

    def keep(self, index: Any, delta: DeltaShape | None, logprobs: Any, finish: Any) -> None:
        """What one chunk says in another choice."""
        place = short_name(str(index))
        said = self._said.setdefault(place, [])
        if delta is not None:
            self.weight += sum(weigh(getattr(delta, name)) for name in delta.__struct_fields__)
            said.append((delta, logprobs))
        if ending := finish_reason_text(finish):
            self._finish[place] = ending

    def say(self, reader: DeltaReader, losses: Losses, *, spoken: bool) -> list[str]:
        """Says it, and gives how those ended that said something. Their calls are the turn's.

        A text is the turn's where no choice before had any (`spoken`: the first had); else it may be another
        answer to the same question, and is lost.
        """
        ended = []
        for number, (place, said) in enumerate(self._said.items(), 1):
            before = reader.said
            spoken = spoken or reader.texts > 0
            _without(said, _TEXT, f"choices[{place}].message.content", losses, drop=spoken)
            thought = reader.thoughts > 0
            _without(said, _THOUGHTS, f"choices[{place}].message.reasoning", losses, drop=thought)
            for delta, logprobs in said:
                reader.read(delta, None if spoken else logprobs, number)
            if reader.said > before and place in self._finish:
                ended.append(self._finish[place])
        return ended


def _without(
    said: list[tuple[DeltaShape, Any]], names: tuple[str, ...], loss: str, losses: Losses, *, drop: bool
) -> None:
    for delta, _ in said if drop else ():
        for name in names:
            if getattr(delta, name):
                setattr(delta, name, None)
                losses.add(loss, "dropped: the first choice has its own")


class Messages:
    """The messages of one choice: pieces of it, or each the whole so far."""

    def __init__(self) -> None:
        self.weight = 0
        """In bytes, roughly."""
        self._all: list[dict[str, Any]] = []

    def keep(self, message: Any) -> None:
        """That of one chunk."""
        if type(message) is str:
            message = {"content": message}
        if type(message) is dict:
            self.weight += weigh(message)
            self._all.append(message)

    def say(self, reader: DeltaReader, texts: int, losses: Losses) -> None:
        """Says what the deltas did not, and names what nobody knows. `texts`: their characters of text."""
        thoughts = reader.thoughts
        content = self._rest("content", texts, reader.latest, losses)
        latest = reader.latest_thought
        for name in _THOUGHTS[:2]:
            if thought := self._rest(name, thoughts, latest, losses):
                reader.read(DeltaShape(**{name: thought}))
        if content:
            reader.read(DeltaShape(content=content))
        calls = [calls for message in self._all if type(calls := message.get("tool_calls")) is list and calls]
        grows = len(calls) > 1 and all(_goes_on(one, later) for one, later in pairwise(calls))
        unread = Unread(losses)
        for message in self._all:
            unread.name(message)
            rest = {key: value for key, value in message.items() if not _is_text(key, value)}
            if grows and rest.get("tool_calls") is not calls[-1]:
                rest.pop("tool_calls", None)
            if texts or thoughts:
                known = {name for name in _NOT_SAID if not reader.has_said(name)}
                rest = {key: value for key, value in rest.items() if key in known}
            reader.read(delta_of(numbered(rest)), again=True)

    def _rest(self, name: str, said: int, latest: str, losses: Losses) -> str:
        """A text of all messages, without what was streamed of it: `said` characters, ending in `latest`."""
        whole = self._joined(name)
        if said and whole and (len(whole) < said or not whole[:said].endswith(latest)):
            losses.add(f"message.{name}", "dropped: it differs from what was streamed")
            return ""
        return whole[said:]

    def _joined(self, name: str) -> str:
        pieces = [piece for message in self._all if (piece := as_string(message.get(name)))]
        grows = len(pieces) > 1 and all(later.startswith(piece) for piece, later in pairwise(pieces))
        return pieces[-1] if grows else "".join(pieces)


def _goes_on(calls: list[Any], later: list[Any]) -> bool:
    """Whether the later calls are the same, with more of their arguments or with more calls behind them."""
    pairs = [*zip(map(_called, calls), map(_called, later), strict=False)]
    return len(later) >= len(calls) and all(
        name == same and text and whole.startswith(text) for (name, text), (same, whole) in pairs
    )


def _called(call: Any) -> tuple[str, str]:
    function = call.get("function") if type(call) is dict else None
    given = function if type(function) is dict else {}
    return as_string(given.get("name")), as_string(given.get("arguments"))


def _is_text(key: str, value: Any) -> bool:
    return key in ("content", *_THOUGHTS[:2]) and type(value) is str


def numbered(message: dict[str, Any]) -> dict[str, Any]:
    """The message with an index on each of its calls, as deltas have it."""
    calls = message.get("tool_calls")
    if type(calls) is not list:
        return message
    there = [call for call in calls if call is not None]
    places = [{**call, "index": at} if type(call) is dict else call for at, call in enumerate(there)]
    return {**message, "tool_calls": places}
