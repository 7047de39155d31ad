"""Reads a Responses stream: bytes of events into calls on a writer.

What an upstream says only in a `done` event, or only in the terminal response, is filled in behind what
was streamed; nothing is said twice. Ids of the upstream's items are kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from chat2response.convert import outcome, usage
from chat2response.convert.arguments import REST, same
from chat2response.convert.calls import NAMELESS, UNNAMED, CallKind
from chat2response.convert.chat.answer import (
    arguments_of,
    number,
    objects,
    parts_of,
    read_tokens,
    string,
    word,
)
from chat2response.convert.events import ARGUMENTS, INPUT, REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.failures import error_event, upstream_error
from chat2response.convert.lenient import LenientReader
from chat2response.convert.outcome import Outcome
from chat2response.convert.responses.hosted import HostedItems
from chat2response.convert.responses.slots import ItemSlot, ItemSlots, Stage
from chat2response.convert.speech import Writer
from chat2response.convert.weight import EVENT
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode, too_deep
from chat2response.wire.machine import RESET, Fault
from chat2response.wire.responses import DeltaEvent, read_delta

Place = tuple[int, Kind, int]  # output_index, kind of text, index of the part

_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_BAD_ENDS = ("incomplete", "failed", "cancelled")
_KINDS = (TEXT, REFUSAL, REASONING, SUMMARY)
_CALLS: dict[str, tuple[CallKind, Kind]] = {
    "function_call": ("function", ARGUMENTS),
    "custom_tool_call": ("custom", INPUT),
}
_DELTAS = {kind.delta: kind for kind in (*_KINDS, ARGUMENTS, INPUT)}
_DELTAS["response.reasoning.delta"] = REASONING  # Open Responses' name for raw text
_ADOPTED = ("response.audio.delta", "response.audio.transcript.delta")
_OTHERS = ("message.tool_calls.arguments", "dropped: they differ from what was streamed")
_BEHIND = ("output.text", "dropped: it stands behind the end of its part")
_OTHER_TEXT = ("output.text", "dropped: it differs from what was streamed")
_PART_KINDS = {"text": TEXT, **{kind.part: kind for kind in _KINDS}}


class ResponsesReader(LenientReader):
    """Machine[bytes, None] onto `writer`."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.done = False
        self.heard = False
        """At least one event has been read; comments are none."""
        self.said = 0
        """What the model has said, in characters, and what its other events leave in our tables."""
        self._writer = writer
        self._frames = sse.Frames()
        self._open: Place | None = None  # the part that text goes to
        self._last: Place | None = None  # the same, or the one before where that is over
        self._sent: dict[Place, int] = {}  # characters handed on, per part
        self._cited: dict[Place, int] = {}  # annotations handed on
        self._over: set[Place] = set()  # parts that are whole
        self._closed: set[tuple[int, str]] = set()  # items that are whole, by index and type
        self._index_of: dict[str, int] = {}  # an item's id -> the index its events bore
        self._places: dict[tuple[int, str], set[Place]] = {}  # parts that were begun, by index and type
        self._shared: set[int] = set()  # indices that several items have
        self._heard: set[int] = set()  # hashes of the messages' texts that are whole
        self._streamed: frozenset[int] = frozenset()  # those before the terminal response
        self._slots = ItemSlots()
        self._hosted = HostedItems(writer)

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            self._take(payload)
        if self._frames.overrun and not self.done:
            self.fail(UpstreamError("An event of the upstream's stream is too large."))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped: without a terminal event that is a failure."""
        for payload in self._frames.close(fault):
            if not self.done:
                self._take(payload, last=True)
        self._take_waiting()
        if not self.done:
            self._turn(outcome.from_fault(fault or RESET))

    def _take(self, payload: bytes, *, last: bool = False) -> None:
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
            self._take_leniently(payload)
        except JSONError:
            if payload.strip() != sse.DONE and not last and not sse.is_keep_alive(payload):
                self.fail(UpstreamError("The upstream sent an event that cannot be read."))

    def _not_a_delta(self, payload: bytes) -> None:
        if type(payload) is sse.ErrorPayload:
            self.fail(error_event(payload))
        else:
            self._take_whole(decode(payload))

    def _take_whole(self, event: Any) -> None:
        self.said += EVENT
        kind = event.get("type") if type(event) is dict else None
        take = self._TAKES.get(kind) if type(kind) is str else None
        if take is not None:
            take(self, event)
        elif type(kind) is str and kind.startswith("response."):
            self._other(event)
        elif error := upstream_error(event):
            self.fail(error)

    def _other(self, event: dict[str, Any]) -> None:
        """Of an item that is open, or of the answer itself; of the rest nothing is known."""
        if self._hosted.event(event):
            return
        kind, delta = event["type"], event.get("delta")
        if kind in _ADOPTED and type(delta) is str:
            self._writer.adopt({"type": kind, "delta": delta})
        elif delta and "_call" not in kind:  # a hosted tool's, whose item is told whole
            self._writer.losses.add(word(kind.removeprefix("response.")), "dropped: unknown")

    # -- deltas ------------------------------------------------------------------------------------

    def _delta(self, event: DeltaEvent) -> None:
        kind, index = _DELTAS[event.type], event.output_index
        if type(index) is not int:
            index = number(index) or 0
        if kind is ARGUMENTS or kind is INPUT:
            slot = self._slots.of_delta(index, event.item_id)
            self._call_delta(slot, event.delta, event.item_id, "custom" if kind is INPUT else "function")
            return
        part = event.summary_index if kind is SUMMARY else event.content_index
        place = (index, kind, part if type(part) is int else number(part) or 0)
        if place == self._open or self._turn_to(place, event.item_id):
            self._sent[place] = self._sent.get(place, 0) + len(event.delta)
            self._say(kind, event.delta, event.item_id, event.logprobs)

    def _say(self, kind: Kind, text: str, item_id: Any, logprobs: Any) -> None:
        self.said += len(text)
        if kind is TEXT:
            self._writer.text(text, read_tokens(logprobs) if logprobs else (), id=item_id)
        elif kind is REFUSAL:
            self._writer.refusal(text, id=item_id)
        else:
            self._writer.reasoning(text, summary=kind is SUMMARY, id=item_id)

    def _turn_to(self, place: Place, item_id: Any) -> bool:
        """The next text belongs elsewhere: ends what came before. False for a part that is over."""
        if place in self._over:
            self._writer.losses.add(*_BEHIND)
            return False
        self._places.setdefault((place[0], place[1].item), set()).add(place)
        last, self._open, self._last = self._last, place, place
        if last is not None:
            self._writer.close(part=last[0] == place[0] and last[1].item == place[1].item)
        if type(item_id) is str:
            self._index_of.setdefault(item_id, place[0])
        return True

    def _call_delta(
        self, slot: ItemSlot, delta: str, item_id: Any, kind: CallKind, *, last: bool = False
    ) -> None:
        self.said += len(delta)
        slot.pieces.append(delta)
        if kind == "function":
            delta = slot.arguments.feed(delta)
        self._writer.call(slot.number, kind=kind, delta=delta, last=last, id=item_id)

    def _annotation(self, event: dict[str, Any]) -> None:
        place = (_index(event, "output_index"), TEXT, _index(event, "content_index"))
        if place == self._open or self._turn_to(place, event.get("item_id")):
            self._cite(place, event.get("annotation"), event.get("item_id"))

    def _cite(self, place: Place, annotation: Any, item_id: Any) -> None:
        self._cited[place] = self._cited.get(place, 0) + 1
        if type(annotation) is dict and not too_deep(annotation):
            self._writer.annotation(annotation, id=item_id)
        else:
            self._writer.losses.add("output.annotations[?]")

    # -- what is done: fill in what no delta said, then close --------------------------------------

    def _given_done(self, event: dict[str, Any], called: CallKind, kind: Kind) -> None:
        item_id = event.get("item_id")
        slot = self._slots.of_delta(_index(event, "output_index"), item_id)
        slot.hint = string(event.get("name"))
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
        elif whole.strip() and not (kind == "function" and same(whole, slot.arguments.text)):
            self._writer.losses.add(*_OTHERS)

    def _text_done(self, event: dict[str, Any], kind: Kind) -> None:
        place = (_index(event, "output_index"), kind, _index(event, kind.index or ""))
        self._rest_of_text(place, event)

    def _rest_of_text(self, place: Place, event: dict[str, Any]) -> None:
        """`event` has the whole text, and the tokens of it that no delta brought."""
        whole, sent = event.get(place[1].value), self._sent.get(place, 0)
        if type(whole) is not str or len(whole) <= sent:
            return
        if place == self._open or self._turn_to(place, event.get("item_id")):
            self._sent[place] = len(whole)
            logprobs = None if sent else event.get("logprobs")
            self._say(place[1], whole[sent:], event.get("item_id"), logprobs)

    def _part_done(self, event: dict[str, Any]) -> None:
        part = event.get("part")
        kind = _PART_KINDS.get(string(part.get("type"))) if type(part) is dict else None
        if kind is None:
            self._writer.losses.add(
                f"output.content[{word(part.get('type') if type(part) is dict else None)}]"
            )
        elif type(part) is dict:
            place = (_index(event, "output_index"), kind, _index(event, kind.index or ""))
            self._whole_part(place, part, event.get("item_id"))

    def _whole_part(self, place: Place, part: dict[str, Any], item_id: Any) -> None:
        if place in self._over:
            return
        text = part.get(place[1].value)
        self._rest_of_text(place, {**part, "item_id": item_id})
        if type(text) is str and place[1].item == "message":
            self._heard.add(hash(text))
        more = objects(part.get("annotations"))[self._cited.get(place, 0) :]
        if more and (place == self._open or self._turn_to(place, item_id)):
            for annotation in more:
                self._cite(place, annotation, item_id)
        self._over.add(place)
        if place == self._open:
            self._open = None
            self._writer.close(part=True)

    # -- items -------------------------------------------------------------------------------------

    def _item_added(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            index = _index(event, "output_index")
            self._index_of[string(item.get("id"))] = index
            if string(item.get("type")) in _CALLS:
                self._announce(index, item, "added")
            else:
                self._begin_again(index, string(item.get("type")))
                self._hosted.added(index, item)

    def _begin_again(self, index: int, kind: str) -> None:
        """Another item at an index whose message, or reasoning, has ended: that one's parts are not its."""
        if (index, kind) not in self._closed:
            return
        self._shared.add(index)
        self._closed.discard((index, kind))
        for place in self._places.pop((index, kind), ()):
            self._over.discard(place)
            self._sent.pop(place, None)
            self._cited.pop(place, None)

    def _announce(self, index: int, item: dict[str, Any], stage: Stage) -> ItemSlot:
        call_id, name = string(item.get("call_id")), string(item.get("name"))
        kind, text = _CALLS[item["type"]]
        given = _given(item, text)
        slot = self._slots.of_item(index, item.get("id"), call_id, name, given, stage)
        if stage == "added" and given:
            slot.announced = given
        namespace = item.get("namespace")
        self._writer.call(
            slot.number,
            kind=kind,
            call_id=call_id or string(item.get("id")),
            name=name,
            namespace=namespace if type(namespace) is str else None,
            id=item.get("id"),
        )
        return slot

    def _item_done(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            self._whole_item(_index(event, "output_index"), item, "done")

    def _whole_item(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        kind = item.get("type")
        if type(kind) is str and kind in _CALLS:
            self._whole_call(index, item, stage)
        elif type(kind) is not str or (kind not in ("message", "reasoning") and too_deep(item)):
            self._writer.losses.add(f"output[{word(kind)}]")
        elif kind not in ("message", "reasoning"):
            self._hosted.whole(index, item)
        elif stage == "terminal" and ((index, kind) in self._closed or self._was_heard(item)):
            self._look_at_ends(index, item)
        elif (index, kind) not in self._closed:
            self._closed.add((index, kind))
            if kind == "message":
                self._whole_message(index, item)
            else:
                self._whole_reasoning(index, item)

    def _was_heard(self, item: dict[str, Any]) -> bool:
        """Whether a message of the terminal response, under a new id, says what was streamed."""
        if item["type"] != "message" or not self._streamed or string(item.get("id")) in self._index_of:
            return False
        texts = [part.get("text") or part.get("refusal") for part in parts_of(item.get("content"))]
        return bool(texts) and all(type(text) is str and hash(text) in self._streamed for text in texts)

    def _look_at_ends(self, index: int, item: dict[str, Any]) -> None:
        """Names what the terminal response has more of than what was streamed."""
        if item["type"] == "message" and index not in self._shared:
            for at, part in enumerate(parts_of(item.get("content"))):
                kind = _PART_KINDS.get(string(part.get("type")))
                place = (index, kind, at) if kind is not None else None
                text = part.get(kind.value) if kind is not None else None
                if place in self._over and type(text) is str and len(text) > self._sent.get(place, 0):
                    self._writer.losses.add(*_OTHER_TEXT)

    def _whole_call(self, index: int, item: dict[str, Any], stage: Stage) -> None:
        called, text = _CALLS[item["type"]]
        whole = called == "custom" and item.get("status") != "incomplete"
        slot = self._announce(index, item, stage)
        self._rest_of_call(slot, _given(item, text), item.get("id"), called, last=whole)
        if rest := slot.arguments.close():
            self._writer.call(slot.number, kind=called, delta=rest, id=item.get("id"))

    def _whole_message(self, index: int, item: dict[str, Any]) -> None:
        self._whole_parts(index, item, "content")
        self._end_item(item)

    def _whole_reasoning(self, index: int, item: dict[str, Any]) -> None:
        self._whole_parts(index, item, "content")
        self._whole_parts(index, item, "summary")
        blob = item.get("encrypted_content")
        if type(blob) is str and blob:
            self.said += len(blob)
            self._writer.signature(blob, id=item.get("id"))
        self._end_item(item)

    def _whole_parts(self, index: int, item: dict[str, Any], holder: str) -> None:
        for at, part in enumerate(parts_of(item.get(holder))):
            kind = _PART_KINDS.get(string(part.get("type")))
            if item["type"] == "reasoning":
                kind = REASONING if holder == "content" else SUMMARY
            if kind is not None:
                self._whole_part((index, kind, at), part, item.get("id"))
            else:
                self._writer.losses.add(f"output.content[{word(part.get('type'))}]")

    def _end_item(self, item: dict[str, Any]) -> None:
        """An item that was cut is left open: the end of the turn says so, and closes it."""
        if item.get("status") != "incomplete":
            self._writer.close()

    # -- ends --------------------------------------------------------------------------------------

    def _terminal(self, event: dict[str, Any]) -> None:
        response = event.get("response")
        response = response if type(response) is dict else event
        status = event["type"].removeprefix("response.")
        if status == "completed" and response.get("status") in _BAD_ENDS:
            status = response["status"]
        ended = outcome.from_response({**response, "status": status})
        if ended.error is None:
            self._streamed = frozenset(self._heard)
            output = response.get("output")
            for position, item in enumerate(objects([output] if type(output) is dict else output)):
                place = self._index_of.get(string(item.get("id")), position)
                self._whole_item(place, item, "terminal")
            text = response.get("output_text")
            if type(text) is str and text and not self._sent:
                self._say(TEXT, text, None, None)
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
            if slot.arguments.lost:
                self._writer.losses.add(*REST)
        nameless = any(not slot.name and slot.said.strip() for slot in slots)
        if nameless and ended.status == "completed" and not any(slot.name for slot in self._slots):
            self._writer.losses.add(*NAMELESS)
            return outcome.failed(UpstreamError(UNNAMED))
        return ended

    def _error(self, event: dict[str, Any]) -> None:
        self.fail(upstream_error(event) or UpstreamError("The upstream ended the stream with an error."))

    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""
        self._take_waiting()
        if self.done:
            return
        self._turn(outcome.failed(error))

    def _turn(self, ended: Outcome, used: Any = None) -> None:
        self.done = True
        self._writer.turn(usage.read(used), ended)

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
        "response.content_part.done": _part_done,
        "response.reasoning_summary_part.done": _part_done,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "error": _error,
        **dict.fromkeys(_TERMINAL, _terminal),
    }


def _given(held: dict[str, Any], kind: Kind) -> str:
    """The arguments or the input of a call."""
    given = held.get(kind.value)
    return arguments_of(given) if kind is ARGUMENTS else string(given)


def _index(event: dict[str, Any], name: str) -> int:
    return number(event.get(name)) or 0
