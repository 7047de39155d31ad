"""Reads a Responses stream: bytes of events into calls on a writer.

What an upstream says only in a `done` event, or only in the terminal response, is filled in behind what
was streamed; nothing is said twice. Ids of the upstream's items are kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from chat2response.convert import outcome, usage
from chat2response.convert.dialects.chat.answer.content_pieces import arguments_of
from chat2response.convert.dialects.responses.event_envelope import (
    has_words,
    is_other_end,
    is_wrapped,
    opened,
    response_in,
    text_of,
)
from chat2response.convert.dialects.responses.hosted_items import HostedItems
from chat2response.convert.dialects.responses.item_slots import ItemSlot, ItemSlots, Stage
from chat2response.convert.dialects.responses.output_items import read_item, read_items
from chat2response.convert.dialects.responses.text_parts import KINDS, Texts, index_of
from chat2response.convert.errors.upstream_errors import error_event, upstream_error
from chat2response.convert.lenient_reader import LenientReader
from chat2response.convert.loose_values import as_string, short_name
from chat2response.convert.outcome import Outcome
from chat2response.convert.size_limit import EVENT_WEIGHT
from chat2response.convert.writer.call_arguments import TEXT_AFTER_END, same_arguments
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE, CallKind
from chat2response.convert.writer.events import ARGUMENTS, INPUT, REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.writer.output_items import ITEMS_WITH_EVENTS
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode, too_deep
from chat2response.wire.machine import RESET, Fault
from chat2response.wire.responses import DeltaEvent, read_delta

_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_BAD_ENDS = ("incomplete", "failed", "cancelled")
_TALKS = ("message", "reasoning")
_CALLS: dict[str, tuple[CallKind, Kind]] = {
    "function_call": ("function", ARGUMENTS),
    "custom_tool_call": ("custom", INPUT),
}
_DELTAS = {kind.delta: kind for kind in (*KINDS, ARGUMENTS, INPUT)}
_DELTAS["response.reasoning.delta"] = REASONING  # Open Responses' name for raw text
_ADOPTED = ("response.audio.delta", "response.audio.transcript.delta")
_OTHERS = ("message.tool_calls.arguments", "dropped: they differ from what was streamed")


class ResponsesReader(LenientReader):
    """Machine[bytes, None] onto `writer`."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.done = False
        self.heard = False
        """At least one event has been read; comments are none."""
        self._writer = writer
        self._frames = sse.FrameDecoder()
        self._length = 0  # of what is no text, and what other events leave in our tables
        self._index_of: dict[str, int] = {}  # an item's id -> the index its events bore
        self._added: dict[tuple[int, str], dict[str, Any]] = {}  # items that have no events of their own
        self._texts = Texts(writer)
        self._slots = ItemSlots()
        self._hosted = HostedItems(writer)

    @property
    def said(self) -> int:
        """What the model has said, in characters, and what its other events leave in our tables."""
        return self._length + self._texts.length

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            self._read(payload)
        self._texts.join()
        if self._frames.overrun and not self.done:
            self.fail(UpstreamError("An event of the upstream's stream is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped: without a terminal event that is a failure."""
        for payload in self._frames.close(fault):
            if not self.done:
                self._read(payload, last=True)
        self._read_buffered()
        if not self.done:
            self._turn(outcome.from_fault(fault or RESET))

    def _read(self, payload: bytes, *, last: bool = False) -> None:
        self.heard = True
        if payload == sse.DONE:
            return
        try:
            event = read_delta(payload)
            if type(event.delta) is not str or event.type not in _DELTAS:
                self._not_a_delta(payload)
            elif event.delta:
                self._delta(event)
        except JSONError:
            self._odd(payload, last)
        if self._writer.done and not self.done:
            self._turn(Outcome())

    def _odd(self, payload: bytes, last: bool) -> None:
        """Not strict JSON, or not an object."""
        try:
            self._not_a_delta(payload)
        except JSONError:
            self._not_json(payload, last)

    def _not_json(self, payload: bytes, last: bool) -> None:
        try:
            self._read_leniently(payload)
        except JSONError:
            if payload.strip() != sse.DONE and not last and not sse.is_keep_alive(payload):
                self.fail(UpstreamError("The upstream sent an event that cannot be read."))

    def _not_a_delta(self, payload: bytes) -> None:
        if type(payload) is sse.ErrorPayload:
            self.fail(error_event(payload))
        else:
            self._take_whole(decode(payload), payload.name if type(payload) is sse.NamedPayload else "")

    def _take_whole(self, event: Any, name: str = "") -> None:
        self._length += EVENT_WEIGHT
        if type(event) is not dict:
            if error := upstream_error(event):
                self.fail(error)
            return
        take = self._taker(event)
        if take is None or is_wrapped(event):
            event = opened(event, name)
            take = self._taker(event)
        if take is not None:
            take(self, event)
        elif as_string(event.get("type")).startswith("response."):
            self._other(event)
        elif error := upstream_error(event):
            self.fail(error)
        else:
            self._unknown(event)

    def _taker(self, event: dict[str, Any]) -> Callable[["ResponsesReader", dict[str, Any]], None] | None:
        kind = event.get("type")
        return self._TAKES.get(kind) if type(kind) is str else None

    def _other(self, event: dict[str, Any]) -> None:
        """Of an item that is open, or of the answer itself; of the rest nothing is known."""
        if event["type"] in _ADOPTED and type(event.get("delta")) is str:
            self._writer.forward_event({"type": event["type"], "delta": event["delta"]})
        elif is_other_end(event):
            self._terminal(event)
        elif not self._hosted.event(event):
            self._unknown(event)

    def _unknown(self, event: dict[str, Any]) -> None:
        if has_words(event):
            self._writer.losses.add(f"output[{short_name(event.get('type'))}]", "dropped: an unknown event")

    # -- deltas ------------------------------------------------------------------------------------

    def _odd_delta(self, event: dict[str, Any]) -> None:
        """One whose text is of another type, or under another key."""
        text = text_of(event) if _DELTAS[event["type"]] is not ARGUMENTS else event.get("delta")
        if text and type(text) is str:
            read: dict[str, Any] = {name: event.get(name) for name in DeltaEvent.__struct_fields__}
            self._delta(DeltaEvent(**{**read, "delta": text}))
        elif text is None or type(text) is not str:
            self._unknown(event)

    def _delta(self, event: DeltaEvent) -> None:
        kind = _DELTAS[event.type]
        if kind is not ARGUMENTS and kind is not INPUT:
            self._texts.delta(kind, event)
            return
        slot = self._slots.of_delta(index_of(event.output_index), event.item_id)
        self._call_delta(slot, event.delta, event.item_id, "custom" if kind is INPUT else "function")

    def _call_delta(
        self, slot: ItemSlot, delta: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        self._length += len(delta)
        slot.pieces.append(delta)
        if kind == "function":
            delta = slot.arguments.feed(delta)
        self._writer.call(slot.number, kind=kind, delta=delta, last=last, id=item_id)

    # -- what is done: fill in what no delta said, then close --------------------------------------

    def _given_done(self, event: dict[str, Any], called: CallKind, kind: Kind) -> None:
        item_id = event.get("item_id")
        slot = self._slots.of_delta(_index(event, "output_index"), item_id)
        slot.hint = as_string(event.get("name"))
        self._rest_of_call(slot, _given(event, kind), item_id, called)

    def _rest_of_call(
        self, slot: ItemSlot, whole: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        """`whole`: all that it was given; what no delta said of it is handed on."""
        said = slot.said
        if whole.startswith(said):
            self._call_delta(slot, whole[len(said) :], item_id, kind, last=last)
        elif slot.arguments.empty:  # real ones behind an empty object
            self._call_delta(slot, whole, item_id, kind)
        elif whole.strip() and not (kind == "function" and same_arguments(whole, slot.arguments.text)):
            self._writer.losses.add(*_OTHERS)

    def _text_done(self, event: dict[str, Any], kind: Kind) -> None:
        self._texts.text_done(event, kind)

    def _part_added(self, event: dict[str, Any]) -> None:
        self._texts.part_added(event)

    def _part_done(self, event: dict[str, Any]) -> None:
        self._texts.part_done(event)

    def _annotation(self, event: dict[str, Any]) -> None:
        self._texts.annotation(event)

    # -- items -------------------------------------------------------------------------------------

    def _item_added(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            index, kind = _index(event, "output_index"), as_string(item.get("type"))
            self._index_of[as_string(item.get("id"))] = index
            if kind in _CALLS:
                self._announce(index, item, "added")
                return
            if kind in _TALKS:
                self._texts.added(index, item)
            else:
                self._hosted.added(index, item)
                if kind and kind not in ITEMS_WITH_EVENTS and not too_deep(item):
                    self._added[index, kind] = item

    def _announce(self, index: int, item: dict[str, Any], stage: Stage) -> ItemSlot:
        call_id, name = as_string(item.get("call_id")), as_string(item.get("name"))
        kind, text = _CALLS[item["type"]]
        given = _given(item, text)
        slot = self._slots.of_item(index, item.get("id"), call_id, name, given, stage)
        if stage == "added" and given:
            slot.announced = given
        namespace = item.get("namespace")
        self._writer.call(
            slot.number,
            kind=kind,
            call_id=call_id or as_string(item.get("id")),
            name=name,
            namespace=namespace if type(namespace) is str else None,
            id=item.get("id"),
        )
        return slot

    def _item_done(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            self._whole_item(_index(event, "output_index"), item, "done")
        else:
            self._unknown(event)

    def _whole_item(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        item = read_item(item, self._writer.losses)
        kind = item.get("type")
        if type(kind) is str and kind in _CALLS:
            self._whole_call(index, item, stage)
        elif kind in _TALKS:
            self._texts.whole(index, item, terminal=stage == "terminal")
        elif type(kind) is not str or too_deep(item):
            self._writer.losses.add(f"output[{short_name(kind)}]")
        else:
            self._hosted.whole(index, item)

    def _whole_call(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        called, text = _CALLS[item["type"]]
        whole = called == "custom" and item.get("status") != "incomplete"
        slot = self._announce(index, item, stage)
        self._rest_of_call(slot, _given(item, text), item.get("id"), called, last=whole)
        if rest := slot.arguments.close():
            self._writer.call(slot.number, kind=called, delta=rest, id=item.get("id"))

    # -- ends --------------------------------------------------------------------------------------

    def _terminal(self, event: dict[str, Any]) -> None:
        response, status = response_in(event), event["type"].removeprefix("response.")
        if status not in _BAD_ENDS and (said := outcome.status_of(response)) in (*_BAD_ENDS, "completed"):
            status = said
        ended = outcome.from_response({**response, "status": status})
        if ended.error is None:
            for position, item in enumerate(read_items(response, self._writer.losses)):
                place = self._index_of.get(as_string(item.get("id")), position)
                self._whole_item(place, item, "terminal")
            for (index, _), item in self._added.items():
                self._hosted.whole(index, item)
            self._texts.finish(response)
            ended = self._end_calls(ended)
        self._turn(ended, response.get("usage"))

    def _end_calls(self, ended: Outcome) -> Outcome:
        """What was kept of the calls, and what nothing named: without any other call that is a failure."""
        slots = [slot for slot in self._slots if slot.pieces or slot.announced]
        for slot in slots:
            if slot.hint and not slot.name:
                slot.name = slot.hint
                self._writer.call(slot.number, name=slot.name)
            if not slot.said.strip() and slot.announced:
                self._call_delta(slot, slot.announced, None, "function")
            if rest := slot.arguments.close():
                self._writer.call(slot.number, delta=rest)
            if slot.arguments.has_extra_text:
                self._writer.losses.add(*TEXT_AFTER_END)
        nameless = any(not slot.name and slot.said.strip() for slot in slots)
        if nameless and ended.status == "completed" and not any(slot.name for slot in self._slots):
            self._writer.losses.add(*NAMELESS_CALL)
            return outcome.failed(UpstreamError(NAMELESS_CALL_MESSAGE))
        return ended

    def _error(self, event: dict[str, Any]) -> None:
        self.fail(upstream_error(event) or UpstreamError("The upstream ended the stream with an error."))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._read_buffered()
        if self.done:
            return
        self._turn(outcome.failed(error))

    def _turn(self, ended: Outcome, used: Any = None) -> None:
        self.done = True
        self._writer.end_turn(usage.read(used), ended)

    # Of the class: in each reader it would be a cycle, and made for each stream.
    _TAKES: ClassVar[dict[str, Callable[["ResponsesReader", dict[str, Any]], None]]] = {
        TEXT.done: partial(_text_done, kind=TEXT),
        REFUSAL.done: partial(_text_done, kind=REFUSAL),
        REASONING.done: partial(_text_done, kind=REASONING),
        SUMMARY.done: partial(_text_done, kind=SUMMARY),
        "response.reasoning.done": partial(_text_done, kind=REASONING),
        ARGUMENTS.done: partial(_given_done, called="function", kind=ARGUMENTS),
        INPUT.done: partial(_given_done, called="custom", kind=INPUT),
        "response.output_text.annotation.added": _annotation,
        "response.content_part.added": _part_added,
        "response.reasoning_summary_part.added": _part_added,
        "response.content_part.done": _part_done,
        "response.reasoning_summary_part.done": _part_done,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "error": _error,
        **dict.fromkeys(_TERMINAL, _terminal),
        **dict.fromkeys(_DELTAS, _odd_delta),
    }


def _given(held: dict[str, Any], kind: Kind) -> str:
    """The arguments or the input of a call."""
    given = held.get(kind.value)
    return arguments_of(given) if kind is ARGUMENTS else as_string(given)


def _index(event: dict[str, Any], name: str) -> int:
    return index_of(event.get(name))
