"""`TurnOutput`: reads the events about the output of one turn, each by the reader of what it belongs to.

texts     messages and reasoning
calls     calls of the client's functions and custom tools
hosted    all other items: those of hosted tools, for example
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from chat2response.convert.dialects.responses.answer.client_calls import CALL_ITEMS, ClientCalls
from chat2response.convert.dialects.responses.answer.event_envelope import delta_text, has_output
from chat2response.convert.dialects.responses.answer.hosted_items import HostedItems
from chat2response.convert.dialects.responses.answer.item_slots import Stage
from chat2response.convert.dialects.responses.answer.output_items import read_item, read_items
from chat2response.convert.dialects.responses.answer.text_parts import KINDS, TextParts, index_of
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.events import ARGUMENTS, INPUT, REASONING
from chat2response.convert.writer.output_items import ITEMS_WITH_EVENTS
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.json import too_deep
from chat2response.wire.responses import DeltaEvent

_Event = dict[str, Any]

DELTAS = {kind.delta: kind for kind in (*KINDS, ARGUMENTS, INPUT)}
DELTAS["response.reasoning.delta"] = REASONING  # Open Responses' name for raw reasoning
_TEXT_ITEMS = frozenset(kind.item for kind in KINDS)


class TurnOutput:
    """The output of one turn, written to `writer`. Never raises on data."""

    __slots__ = ("_added", "_hosted", "_index_of", "_writer", "calls", "texts")

    def __init__(self, writer: Writer) -> None:
        self.texts = TextParts(writer)
        self.calls = ClientCalls(writer)
        self._hosted = HostedItems(writer)
        self._writer = writer
        self._index_of: dict[str, int] = {}  # an item's id -> the index in its events
        self._added: dict[tuple[int, str], _Event] = {}  # items that have no events of their own

    def read(self, event: _Event) -> None:
        """Reads an event whose type is in `OUTPUT_EVENTS`."""
        OUTPUT_EVENTS[event["type"]](self, event)

    def read_hosted(self, event: _Event) -> bool:
        """Reads an event of a hosted tool's item; False if it is about no open item."""
        return self._hosted.pass_event(event)

    def report_unknown(self, event: _Event) -> None:
        """An event that nothing reads is a loss, if it may contain output of the model."""
        if has_output(event):
            self._writer.losses.add(f"output[{short_name(event.get('type'))}]", "dropped: unknown event")

    def finish(self, response: _Event, ending: Outcome) -> Outcome:
        """Writes what only the terminal response contains. Returns `ending`, or a failure."""
        for position, item in enumerate(read_items(response, self._writer.losses)):
            index = self._index_of.get(as_string(item.get("id")), position)
            self._finish_item(index, item, "terminal")
        for (index, _), item in self._added.items():
            self._hosted.finish_item(index, item)
        self.texts.finish(response)
        return self.calls.finish(ending)

    def _read_odd_delta(self, event: _Event) -> None:
        """Reads a delta whose text has another type, or another key."""
        kind = DELTAS[event["type"]]
        text = delta_text(event) if kind is not ARGUMENTS else event.get("delta")
        if text and type(text) is str:
            fields: _Event = {name: event.get(name) for name in DeltaEvent.__struct_fields__}
            delta = DeltaEvent(**{**fields, "delta": text})
            if kind.part:
                self.texts.delta(kind, delta)
            else:
                self.calls.delta(kind, delta)
        elif text is None or type(text) is not str:
            self.report_unknown(event)

    def _begin_item(self, event: _Event) -> None:
        item = event.get("item")
        if type(item) is not dict:
            return
        index, kind = index_of(event.get("output_index")), as_string(item.get("type"))
        self._index_of[as_string(item.get("id"))] = index
        if kind in CALL_ITEMS:
            self.calls.begin_item(index, item)
        elif kind in _TEXT_ITEMS:
            self.texts.begin_item(index, item)
        else:
            self._hosted.begin_item(index, item)
            if kind and kind not in ITEMS_WITH_EVENTS and not too_deep(item):
                self._added[index, kind] = item

    def _end_item(self, event: _Event) -> None:
        item = event.get("item")
        if type(item) is dict:
            self._finish_item(index_of(event.get("output_index")), item, "done")
        else:
            self.report_unknown(event)

    def _finish_item(self, index: int, item: _Event, stage: Stage) -> None:
        item = read_item(item, self._writer.losses)
        kind = item.get("type")
        if type(kind) is str and kind in CALL_ITEMS:
            self.calls.finish_item(index, item, stage)
        elif type(kind) is str and kind in _TEXT_ITEMS:
            self.texts.finish_item(index, item, terminal=stage == "terminal")
        elif type(kind) is not str or too_deep(item):
            self._writer.losses.add(f"output[{short_name(kind)}]")
        else:
            self._hosted.finish_item(index, item)


def _of_texts(read: Callable[[TextParts, _Event], None]) -> Callable[[TurnOutput, _Event], None]:
    return lambda output, event: read(output.texts, event)


def _of_calls(read: Callable[[ClientCalls, _Event], None]) -> Callable[[TurnOutput, _Event], None]:
    return lambda output, event: read(output.calls, event)


OUTPUT_EVENTS: dict[str, Callable[[TurnOutput, _Event], None]] = {
    **{kind.done: _of_texts(partial(TextParts.text_done, kind=kind)) for kind in KINDS},
    "response.reasoning.done": _of_texts(partial(TextParts.text_done, kind=REASONING)),
    **{kind.done: _of_calls(partial(ClientCalls.done, kind=kind)) for kind in (ARGUMENTS, INPUT)},
    "response.output_text.annotation.added": _of_texts(TextParts.annotation),
    "response.content_part.added": _of_texts(TextParts.part_added),
    "response.reasoning_summary_part.added": _of_texts(TextParts.part_added),
    "response.content_part.done": _of_texts(TextParts.part_done),
    "response.reasoning_summary_part.done": _of_texts(TextParts.part_done),
    "response.output_item.added": TurnOutput._begin_item,
    "response.output_item.done": TurnOutput._end_item,
    **dict.fromkeys(DELTAS, TurnOutput._read_odd_delta),
}
"""The events about output: how each type is read, if it is no delta by the book."""
