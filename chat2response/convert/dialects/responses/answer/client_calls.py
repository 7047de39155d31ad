"""`ClientCalls`: reads the calls of the client's functions and custom tools in a Responses stream.

The arguments of a call come in deltas, and then whole: in a `done` event, in the item, and in the terminal
response. Of what comes whole, only what is new is written.
"""

from typing import Any

from chat2response.convert import outcome
from chat2response.convert.dialects.responses.answer.item_slots import ItemSlot, ItemSlots, Stage
from chat2response.convert.loose_values import arguments_of, as_string
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.call_arguments import TEXT_AFTER_END, same_arguments
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE
from chat2response.convert.writer.call_delta import CallDelta, CallKind
from chat2response.convert.writer.events import ARGUMENTS, INPUT, Kind
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire.responses import DeltaEvent

CALL_ITEMS = {kind.item: kind for kind in (ARGUMENTS, INPUT)}
"""The types of items that are such calls."""
_DIFFERENT = ("message.tool_calls.arguments", "dropped: they differ from what was streamed")


class ClientCalls:
    """The calls of one turn, written to `writer`. Never raises on data."""

    __slots__ = ("_slots", "_writer", "output_chars")

    def __init__(self, writer: Writer) -> None:
        self.output_chars = 0
        """The arguments and inputs written so far, in characters."""
        self._writer = writer
        self._slots = ItemSlots()

    def delta(self, kind: Kind, event: DeltaEvent) -> None:
        """Writes a piece of the arguments (`ARGUMENTS`) or of the input (`INPUT`)."""
        slot = self._slots.find_by_delta(event.output_index, event.item_id)
        self._write(slot, event.delta, event.item_id, "custom" if kind is INPUT else "function")

    def done(self, event: dict[str, Any], kind: Kind) -> None:
        """Reads the event with the whole arguments or input. Its name is used if no item has one."""
        item_id = event.get("item_id")
        slot = self._slots.find_by_delta(event.get("output_index"), item_id)
        slot.hinted_name = as_string(event.get("name"))
        self._write_remainder(slot, _text_of(event, kind), item_id, _call_kind(kind))

    def begin_item(self, index: int, item: dict[str, Any]) -> None:
        """Begins a call: its name is known from here on."""
        self._announce(index, item, "added")

    def finish_item(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        """Ends a call: by the `done` of its item, or by the terminal response that repeats it."""
        kind = CALL_ITEMS[item["type"]]
        whole = kind is INPUT and item.get("status") != "incomplete"
        slot, item_id = self._announce(index, item, stage), item.get("id")
        self._write_remainder(slot, _text_of(item, kind), item_id, _call_kind(kind), last=whole)
        if remainder := slot.arguments.close():
            self._writer.call(CallDelta(slot.number, kind=_call_kind(kind), delta=remainder, id=item_id))

    def finish(self, ending: Outcome) -> Outcome:
        """Ends all calls. Returns `ending`, or a failure if there are only calls without a name."""
        slots = [slot for slot in self._slots if slot.pieces or slot.initial_text]
        for slot in slots:
            self._finish_slot(slot)
        nameless = any(not slot.name and slot.text.strip() for slot in slots)
        if nameless and ending.status == "completed" and not any(slot.name for slot in self._slots):
            self._writer.losses.add(*NAMELESS_CALL)
            return outcome.failed(UpstreamError(NAMELESS_CALL_MESSAGE))
        return ending

    def _finish_slot(self, slot: ItemSlot) -> None:
        if slot.hinted_name and not slot.name:
            slot.name = slot.hinted_name
            self._writer.call(CallDelta(slot.number, name=slot.name))
        if not slot.text.strip() and slot.initial_text:
            self._write(slot, slot.initial_text, None, "function")
        if remainder := slot.arguments.close():
            self._writer.call(CallDelta(slot.number, delta=remainder))
        if slot.arguments.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)

    def _announce(self, index: int, item: dict[str, Any], stage: Stage) -> ItemSlot:
        call_id, name = as_string(item.get("call_id")), as_string(item.get("name"))
        kind = CALL_ITEMS[item["type"]]
        text = _text_of(item, kind)
        slot = self._slots.find_by_item(index, item.get("id"), call_id, name, text, stage)
        if stage == "added" and text:
            slot.initial_text = text
        namespace = item.get("namespace")
        self._writer.call(
            CallDelta(
                slot.number,
                kind=_call_kind(kind),
                call_id=call_id or as_string(item.get("id")),
                name=name,
                namespace=namespace if type(namespace) is str else None,
                id=item.get("id"),
            )
        )
        return slot

    def _write(self, slot: ItemSlot, delta: str, item_id: Any, kind: CallKind, *, last: bool = False) -> None:
        self.output_chars += len(delta)
        slot.pieces.append(delta)
        if kind == "function":
            delta = slot.arguments.feed(delta)
        self._writer.call(CallDelta(slot.number, kind=kind, delta=delta, last=last, id=item_id))

    def _write_remainder(
        self, slot: ItemSlot, whole: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        """Writes what no delta had of `whole`, the call's arguments or input."""
        streamed = slot.text
        if whole.startswith(streamed):
            self._write(slot, whole[len(streamed) :], item_id, kind, last=last)
        elif slot.arguments.empty:  # the real arguments after an empty object
            self._write(slot, whole, item_id, kind)
        elif whole.strip() and not (kind == "function" and same_arguments(whole, slot.arguments.text)):
            self._writer.losses.add(*_DIFFERENT)


def _call_kind(kind: Kind) -> CallKind:
    return "custom" if kind is INPUT else "function"


def _text_of(fields: dict[str, Any], kind: Kind) -> str:
    """The arguments or the input in an item or an event."""
    value = fields.get(kind.value)
    return arguments_of(value) if kind is ARGUMENTS else as_string(value)
