"""`ResponsesReader`: reads the events of a Responses stream, and calls a writer.

What an upstream sends only in a `done` event, or only in the terminal response, is written after what was
streamed; nothing is written twice. The ids of the upstream's items stay.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from chat2response.convert import outcome, usage
from chat2response.convert.dialects.chat.answer.content_pieces import arguments_of
from chat2response.convert.dialects.responses.answer.event_envelope import (
    delta_text,
    ends_answer,
    has_output,
    is_wrapped,
    response_of,
    unwrap,
)
from chat2response.convert.dialects.responses.answer.hosted_items import HostedItems
from chat2response.convert.dialects.responses.answer.item_slots import ItemSlot, ItemSlots, Stage
from chat2response.convert.dialects.responses.answer.output_items import read_item, read_items
from chat2response.convert.dialects.responses.answer.text_parts import KINDS, TextParts, index_of
from chat2response.convert.dialects.responses.answer.whole_answer import as_event
from chat2response.convert.errors.upstream_errors import read_error_event, read_upstream_error
from chat2response.convert.lenient_reader import LenientReader
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.outcome import Outcome
from chat2response.convert.size_limit import EVENT_WEIGHT
from chat2response.convert.writer.call_arguments import TEXT_AFTER_END, same_arguments
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE
from chat2response.convert.writer.call_delta import CallDelta, CallKind
from chat2response.convert.writer.events import ARGUMENTS, INPUT, REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.writer.output_items import ITEMS_WITH_EVENTS
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.json import JSONError, decode, too_deep
from chat2response.wire.responses import DeltaEvent, read_delta

_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_BAD_ENDS = ("incomplete", "failed", "cancelled")
_TEXT_ITEMS = ("message", "reasoning")
_CALLS: dict[str, tuple[CallKind, Kind]] = {
    "function_call": ("function", ARGUMENTS),
    "custom_tool_call": ("custom", INPUT),
}
_DELTAS = {kind.delta: kind for kind in (*KINDS, ARGUMENTS, INPUT)}
_DELTAS["response.reasoning.delta"] = REASONING  # Open Responses' name for raw reasoning
_ADOPTED = ("response.audio.delta", "response.audio.transcript.delta")
_DIFFERENT_ARGUMENTS = ("message.tool_calls.arguments", "dropped: they differ from what was streamed")


class ResponsesReader(LenientReader):
    """A Reader that writes to `writer`."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer
        self._length = 0  # arguments in characters, and a fixed size for each event other than a delta
        self._index_of: dict[str, int] = {}  # an item's id -> the index in its events
        self._added: dict[tuple[int, str], dict[str, Any]] = {}  # items that have no events of their own
        self._text_parts = TextParts(writer)
        self._slots = ItemSlots()
        self._hosted = HostedItems(writer)

    @property
    def output_chars(self) -> int:
        """The model's output so far, in characters, plus the size of the other events."""
        return self._length + self._text_parts.output_chars

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        """Reads the payload of one event."""
        if self.done:
            return
        if self._buffered is not None:
            self._read_after_buffered(data, last)
            return
        self.started = True
        if data == sse.DONE:
            return
        try:
            event = read_delta(data)
            if type(event.delta) is not str or event.type not in _DELTAS:
                self._read_non_delta(data)
            elif event.delta:
                self._read_delta(event)
        except JSONError:
            self._handle_non_event(data, last)
        if self._writer.done and not self.done:
            self._end_turn(Outcome())

    def close(self, fault: Fault | None = None, /) -> None:
        """Ends the stream; without a terminal event that is a failure."""
        self._read_buffered()
        if not self.done:
            self._end_turn(outcome.from_fault(fault or RESET))

    def _as_event(self, answer: Any) -> dict[str, Any]:
        return as_event(answer)

    def _read_whole(self, event: dict[str, Any]) -> None:
        self._read_event(event)
        if self._writer.done and not self.done:
            self._end_turn(Outcome())

    def _handle_non_event(self, payload: bytes, last: bool) -> None:
        """Handles a payload that is no strict JSON, or no object."""
        try:
            self._read_non_delta(payload)
        except JSONError:
            self._handle_non_json(payload, last)

    def _handle_non_json(self, payload: bytes, last: bool) -> None:
        try:
            self._read_leniently(payload)
        except JSONError:
            if payload.strip() != sse.DONE and not last and not sse.is_keepalive(payload):
                self.fail(UpstreamError("The upstream sent an event that cannot be read."))

    def _read_non_delta(self, payload: bytes) -> None:
        if type(payload) is sse.ErrorPayload:
            self.fail(read_error_event(payload))
        else:
            self._read_event(decode(payload), payload.name if type(payload) is sse.NamedPayload else "")

    def _read_event(self, event: Any, name: str = "") -> None:
        self._length += EVENT_WEIGHT
        if type(event) is not dict:
            if error := read_upstream_error(event):
                self.fail(error)
            return
        handle = self._handler(event)
        if handle is None or is_wrapped(event):
            event = unwrap(event, name)
            handle = self._handler(event)
        if handle is not None:
            handle(self, event)
        elif as_string(event.get("type")).startswith("response."):
            self._read_other(event)
        elif error := read_upstream_error(event):
            self.fail(error)
        else:
            self._report_unknown(event)

    def _handler(self, event: dict[str, Any]) -> Callable[["ResponsesReader", dict[str, Any]], None] | None:
        kind = event.get("type")
        return self._HANDLERS.get(kind) if type(kind) is str else None

    def _read_other(self, event: dict[str, Any]) -> None:
        """Handles other events: of an open item, of the answer itself, or unknown ones."""
        if event["type"] in _ADOPTED and type(event.get("delta")) is str:
            self._writer.forward_event({"type": event["type"], "delta": event["delta"]})
        elif ends_answer(event):
            self._terminal(event)
        elif not self._hosted.pass_event(event):
            self._report_unknown(event)

    def _report_unknown(self, event: dict[str, Any]) -> None:
        if has_output(event):
            self._writer.losses.add(f"output[{short_name(event.get('type'))}]", "dropped: unknown event")

    # -- deltas ------------------------------------------------------------------------------------

    def _read_odd_delta(self, event: dict[str, Any]) -> None:
        """Reads a delta whose text has another type, or another key."""
        text = delta_text(event) if _DELTAS[event["type"]] is not ARGUMENTS else event.get("delta")
        if text and type(text) is str:
            fields: dict[str, Any] = {name: event.get(name) for name in DeltaEvent.__struct_fields__}
            self._read_delta(DeltaEvent(**{**fields, "delta": text}))
        elif text is None or type(text) is not str:
            self._report_unknown(event)

    def _read_delta(self, event: DeltaEvent) -> None:
        kind = _DELTAS[event.type]
        if kind is not ARGUMENTS and kind is not INPUT:
            self._text_parts.delta(kind, event)
            return
        slot = self._slots.find_by_delta(index_of(event.output_index), event.item_id)
        self._write_call_delta(slot, event.delta, event.item_id, "custom" if kind is INPUT else "function")

    def _write_call_delta(
        self, slot: ItemSlot, delta: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        self._length += len(delta)
        slot.pieces.append(delta)
        if kind == "function":
            delta = slot.arguments.feed(delta)
        self._writer.call(CallDelta(slot.number, kind=kind, delta=delta, last=last, id=item_id))

    # -- done events: write what no delta had, then close ------------------------------------------

    def _arguments_done(self, event: dict[str, Any], called: CallKind, kind: Kind) -> None:
        item_id = event.get("item_id")
        slot = self._slots.find_by_delta(_index(event, "output_index"), item_id)
        slot.hinted_name = as_string(event.get("name"))
        self._write_call_remainder(slot, _arguments_or_input(event, kind), item_id, called)

    def _write_call_remainder(
        self, slot: ItemSlot, whole: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        """Writes what no delta had of `whole`, the call's arguments or input."""
        streamed = slot.text
        if whole.startswith(streamed):
            self._write_call_delta(slot, whole[len(streamed) :], item_id, kind, last=last)
        elif slot.arguments.empty:  # the real arguments after an empty object
            self._write_call_delta(slot, whole, item_id, kind)
        elif whole.strip() and not (kind == "function" and same_arguments(whole, slot.arguments.text)):
            self._writer.losses.add(*_DIFFERENT_ARGUMENTS)

    def _text_done(self, event: dict[str, Any], kind: Kind) -> None:
        self._text_parts.text_done(event, kind)

    def _part_added(self, event: dict[str, Any]) -> None:
        self._text_parts.part_added(event)

    def _part_done(self, event: dict[str, Any]) -> None:
        self._text_parts.part_done(event)

    def _annotation(self, event: dict[str, Any]) -> None:
        self._text_parts.annotation(event)

    # -- items -------------------------------------------------------------------------------------

    def _item_added(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            index, kind = _index(event, "output_index"), as_string(item.get("type"))
            self._index_of[as_string(item.get("id"))] = index
            if kind in _CALLS:
                self._announce(index, item, "added")
                return
            if kind in _TEXT_ITEMS:
                self._text_parts.begin_item(index, item)
            else:
                self._hosted.begin_item(index, item)
                if kind and kind not in ITEMS_WITH_EVENTS and not too_deep(item):
                    self._added[index, kind] = item

    def _announce(self, index: int, item: dict[str, Any], stage: Stage) -> ItemSlot:
        call_id, name = as_string(item.get("call_id")), as_string(item.get("name"))
        kind, text = _CALLS[item["type"]]
        arguments = _arguments_or_input(item, text)
        slot = self._slots.find_by_item(index, item.get("id"), call_id, name, arguments, stage)
        if stage == "added" and arguments:
            slot.initial_text = arguments
        namespace = item.get("namespace")
        self._writer.call(
            CallDelta(
                slot.number,
                kind=kind,
                call_id=call_id or as_string(item.get("id")),
                name=name,
                namespace=namespace if type(namespace) is str else None,
                id=item.get("id"),
            )
        )
        return slot

    def _item_done(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            self._finish_item(_index(event, "output_index"), item, "done")
        else:
            self._report_unknown(event)

    def _finish_item(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        item = read_item(item, self._writer.losses)
        kind = item.get("type")
        if type(kind) is str and kind in _CALLS:
            self._finish_call(index, item, stage)
        elif kind in _TEXT_ITEMS:
            self._text_parts.finish_item(index, item, terminal=stage == "terminal")
        elif type(kind) is not str or too_deep(item):
            self._writer.losses.add(f"output[{short_name(kind)}]")
        else:
            self._hosted.finish_item(index, item)

    def _finish_call(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        called, text = _CALLS[item["type"]]
        whole = called == "custom" and item.get("status") != "incomplete"
        slot = self._announce(index, item, stage)
        self._write_call_remainder(slot, _arguments_or_input(item, text), item.get("id"), called, last=whole)
        if remainder := slot.arguments.close():
            self._writer.call(CallDelta(slot.number, kind=called, delta=remainder, id=item.get("id")))

    # -- ends --------------------------------------------------------------------------------------

    def _terminal(self, event: dict[str, Any]) -> None:
        response, status = response_of(event), event["type"].removeprefix("response.")
        if status not in _BAD_ENDS and (response_status := outcome.status_of(response)) in (
            *_BAD_ENDS,
            "completed",
        ):
            status = response_status
        ending = outcome.from_response({**response, "status": status})
        if ending.error is None:
            for position, item in enumerate(read_items(response, self._writer.losses)):
                index = self._index_of.get(as_string(item.get("id")), position)
                self._finish_item(index, item, "terminal")
            for (index, _), item in self._added.items():
                self._hosted.finish_item(index, item)
            self._text_parts.finish(response)
            ending = self._end_calls(ending)
        self._end_turn(ending, response.get("usage"))

    def _end_calls(self, ending: Outcome) -> Outcome:
        """Ends the calls. Only calls without a name are a failure."""
        slots = [slot for slot in self._slots if slot.pieces or slot.initial_text]
        for slot in slots:
            if slot.hinted_name and not slot.name:
                slot.name = slot.hinted_name
                self._writer.call(CallDelta(slot.number, name=slot.name))
            if not slot.text.strip() and slot.initial_text:
                self._write_call_delta(slot, slot.initial_text, None, "function")
            if remainder := slot.arguments.close():
                self._writer.call(CallDelta(slot.number, delta=remainder))
            if slot.arguments.has_extra_text:
                self._writer.losses.add(*TEXT_AFTER_END)
        nameless = any(not slot.name and slot.text.strip() for slot in slots)
        if nameless and ending.status == "completed" and not any(slot.name for slot in self._slots):
            self._writer.losses.add(*NAMELESS_CALL)
            return outcome.failed(UpstreamError(NAMELESS_CALL_MESSAGE))
        return ending

    def _error(self, event: dict[str, Any]) -> None:
        self.fail(read_upstream_error(event) or UpstreamError("The upstream ended the stream with an error."))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._read_buffered()
        if self.done:
            return
        self._end_turn(outcome.failed(error))

    def _end_turn(self, ending: Outcome, reported: Any = None) -> None:
        self.done = True
        self._writer.end_turn(usage.read(reported), ending)

    # On the class: on each reader it would be a reference cycle, built anew for each stream.
    _HANDLERS: ClassVar[dict[str, Callable[["ResponsesReader", dict[str, Any]], None]]] = {
        TEXT.done: partial(_text_done, kind=TEXT),
        REFUSAL.done: partial(_text_done, kind=REFUSAL),
        REASONING.done: partial(_text_done, kind=REASONING),
        SUMMARY.done: partial(_text_done, kind=SUMMARY),
        "response.reasoning.done": partial(_text_done, kind=REASONING),
        ARGUMENTS.done: partial(_arguments_done, called="function", kind=ARGUMENTS),
        INPUT.done: partial(_arguments_done, called="custom", kind=INPUT),
        "response.output_text.annotation.added": _annotation,
        "response.content_part.added": _part_added,
        "response.reasoning_summary_part.added": _part_added,
        "response.content_part.done": _part_done,
        "response.reasoning_summary_part.done": _part_done,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "error": _error,
        **dict.fromkeys(_TERMINAL, _terminal),
        **dict.fromkeys(_DELTAS, _read_odd_delta),
    }


def _arguments_or_input(fields: dict[str, Any], kind: Kind) -> str:
    """The arguments or the input of a call."""
    value = fields.get(kind.value)
    return arguments_of(value) if kind is ARGUMENTS else as_string(value)


def _index(event: dict[str, Any], name: str) -> int:
    return index_of(event.get(name))
