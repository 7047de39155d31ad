"""`ResponseWriter`: the one maker of events.

Readers, whatever the dialect, say what the model did (`text`, `reasoning`, `call`, ...); the writer alone
makes the lifecycle, the ids, `output_index`, `sequence_number`, the echoed fields and the sum of usage, by
the grammar in `wire/responses.py`. One writer serves one response, over all its turns.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert import usage
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, conclude, from_fault
from chat2response.convert.size_limit import CALL, ITEM, check_weight, weigh
from chat2response.convert.writer import output_items
from chat2response.convert.writer.call_arguments import EMPTY_OBJECT
from chat2response.convert.writer.call_builder import NAMELESS_CALL, RENAMED_CALL, CallBuilder, CallKind
from chat2response.convert.writer.events import (
    ARGUMENTS,
    REASONING,
    REFUSAL,
    SUMMARY,
    TEXT,
    Delta,
    Event,
    Kind,
    Stream,
)
from chat2response.errors import BridgeError
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.machine import RESET
from chat2response.wire.responses import EventDict, ItemStatus, Response, Usage

_MANY = 1024  # pieces of a text, before they are joined


class ResponseWriter:
    """The Writer under all wrappers. `take()` hands out the events made since the last call."""

    def __init__(self, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None) -> None:
        self.done = False
        self.losses = Losses() if losses is None else losses
        self.outcome: Outcome | None = None
        """How the last turn ended."""
        self.weight = 0
        """What is kept of the answer beside the text of its deltas, in bytes (`convert.weight`)."""
        self.most: int | None = None
        """The weight that is borne; more raises UpstreamError, in the middle of an event where it has to."""
        self.begun = False
        self.ended = False
        self.response: Response = echo.response(ids("resp"), int(clock()))
        self._ids = ids
        self._clock = clock
        self._events: list[Event] = []
        self._number = 0
        self._output: list[dict[str, Any]] = self.response["output"]
        self._item: dict[str, Any] | None = None  # the open message or reasoning item
        self._item_index = 0
        self._part: Stream | None = None  # its open part
        self._said = 0  # characters in this turn's text parts that are closed
        self._calls: dict[Hashable, CallBuilder] = {}  # this turn's, open or closed
        self._changed: dict[Hashable, CallBuilder] = {}  # those of them that got something since `_settle`
        self._begun: dict[Hashable, int] = {}  # output_index of the items that were begun by `item`
        self._ids_used: set[str] = set()  # what was given out, for upstreams repeat theirs
        self._call_ids_used: set[str] = set()

    # -- lifecycle -------------------------------------------------------------------------------

    def begin(self) -> None:
        """`created` and `in_progress`."""
        self.begun = True
        snapshot = self._as_begun()
        self._emit("response.created", response=snapshot)
        self._emit("response.in_progress", response=snapshot)

    def beat(self) -> None:
        """A sign of life: `in_progress` once more, as it was."""
        self._emit("response.in_progress", response=self._as_begun())

    def _as_begun(self) -> dict[str, Any]:
        return {**self.response, "status": "in_progress", "output": [], "usage": None}

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        self.outcome = outcome
        response = self.response
        response["usage"] = usage.add(response["usage"], used)
        if outcome.service_tier:
            response["service_tier"] = outcome.service_tier
        if outcome.moderation:
            response["moderation"] = outcome.moderation
        if outcome.status != "failed":
            self._close_all(cut=outcome.status == "incomplete")
            self._said = 0

    def finish(self) -> None:
        """The terminal event for the last turn's outcome; where no turn came to its end, a failure."""
        outcome = self.outcome or from_fault(RESET)
        self.end(outcome.status, error=outcome.error, reason=outcome.reason)

    def end(self, status: str, *, error: BridgeError | None = None, reason: str | None = None) -> None:
        """The one terminal event: `completed`, `incomplete` (with its reason) or `failed` (with its error).

        A second one is never made.
        """
        if self.ended:
            return
        if status == "failed":
            self._leave_open()
        elif not self._output:
            self._open(TEXT, None)  # clients need an output item, and there was none to make
            self.close_item(status="incomplete" if status == "incomplete" else "completed")
        self.ended = True
        conclude(self.response, status, error, reason, self._clock)
        self._emit(f"response.{status}", response=self.response)

    @property
    def made(self) -> int:
        """How many events there were."""
        return self._number

    def take(self) -> list[Event]:
        """The events made since the last call."""
        events, self._events = self._events, []
        if self._part is not None and len(self._part.pieces) > _MANY:
            self._part.join_pieces()
        return events

    # -- what a model says -----------------------------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        part = self._part
        if part is None or part.kind is not TEXT:
            part = self._open(TEXT, id)
        if logprobs:
            part.logprobs.extend(logprobs)
            self._weigh(weigh(logprobs))
        part.pieces.append(delta)
        self._events.append(Delta(part, delta, self._number, logprobs))
        self._number += 1

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._delta(self._streaming(REFUSAL, id), delta)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._delta(self._streaming(SUMMARY if summary else REASONING, id), delta)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        if in_turn and self._said:
            kind = self._part.kind if self._part is not None else None
            moved = output_items.moved_citation(annotation, -self._said, kind, self.losses)
            if moved is None:
                return
            annotation = moved
        part = self._streaming(TEXT, id)
        self._weigh(weigh(annotation))
        number = len(part.annotations)
        part.annotations.append(annotation)
        self._emit(
            "response.output_text.annotation.added",
            **part.where(),
            annotation_index=number,
            annotation=annotation,
        )

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        item = self._item
        if item is None or item["type"] != "reasoning":
            self._settle()
            item = self._add(output_items.reasoning(self._new_id("rs", id)))
        item["encrypted_content"] = blob

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
        call = self._calls.get(slot)
        if call is None:
            self._settle()
            self._weigh(CALL)
            call = self._calls[slot] = CallBuilder(id, len(self._calls))
        if not call.closed:
            self._changed[slot] = call
        if name and call.item is not None and name != call.name:
            self.losses.add(*RENAMED_CALL)
        call.update(kind, call_id, name, namespace)
        call.ended = call.ended or last
        if not delta:
            return
        if call.closed:
            self._late(call, delta)
        elif call.stream is not None:
            self._delta(call.stream, delta)
        elif call.buffer(delta):
            self._open_named(before=call)
            self._open_call(call)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._weigh(weigh(item))
        index = self._begun.get(slot)
        if index is None:
            index = self._begin_item(item)
        if not done:
            self._begun[slot] = index
            return
        self._begun.pop(slot, None)
        whole = self._output[index]
        whole.update({key: value for key, value in item.items() if key not in ("id", "call_id")})
        self._emit("response.output_item.done", output_index=index, item=whole)

    def item_event(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        index = self._begun.get(slot)
        if index is not None:
            self._emit(event_type, item_id=self._output[index]["id"], output_index=index, **fields)

    def forward_event(self, event: EventDict) -> None:
        fields = {key: value for key, value in event.items() if key not in ("type", "sequence_number")}
        self._emit(event["type"], **fields)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        if self._part is not None:
            self._close_part(self._part)
        if not part and self._item is not None:
            item, self._item = self._item, None
            item["status"] = status
            self._emit("response.output_item.done", output_index=self._item_index, item=item)

    # -- parts and items -------------------------------------------------------------------------

    def _weigh(self, bytes_: int) -> None:
        self.weight += bytes_
        if self.most is not None and self.weight > self.most:
            check_weight(self.weight, self.most)

    def _emit(self, event_type: str, **fields: Any) -> None:
        event: EventDict = {"type": event_type, "sequence_number": self._number}
        event.update(fields)
        self._events.append(event)
        self._number += 1

    def _delta(self, stream: Stream, delta: str) -> None:
        if len(stream.pieces) > _MANY:
            stream.join_pieces()
        stream.pieces.append(delta)
        self._events.append(Delta(stream, delta, self._number))
        self._number += 1

    def _streaming(self, kind: Kind, item_id: str | None) -> Stream:
        part = self._part
        return part if part is not None and part.kind is kind else self._open(kind, item_id)

    def _open(self, kind: Kind, item_id: str | None) -> Stream:
        """Opens a part, in the open item where it fits there, else in a new one."""
        item = self._item
        if item is not None and item["type"] == kind.item:
            self.close_item(part=True)
        if item is None or not output_items.fits(item, kind):
            self._settle()
            if kind.item == "message":
                item = self._add(output_items.message(self._new_id("msg", item_id)))
            else:
                item = self._add(output_items.reasoning(self._new_id("rs", item_id)))
        self._weigh(ITEM)
        stream = Stream(kind, item["id"], self._item_index, len(item.setdefault(kind.holder, [])))
        self._part = stream
        added = "response.reasoning_summary_part.added" if kind is SUMMARY else "response.content_part.added"
        self._emit(added, **stream.where(), part=output_items.part(kind))
        return stream

    def _add(self, item: dict[str, Any]) -> dict[str, Any]:
        self._weigh(ITEM)
        self._item = item
        self._item_index = len(self._output)
        self._output.append(item)
        empty = {key: [] if type(value) is list else value for key, value in item.items()}
        self._emit("response.output_item.added", output_index=self._item_index, item=empty)
        return item

    def _begin_item(self, item: dict[str, Any]) -> int:
        self._settle()
        self._weigh(ITEM)
        index = len(self._output)
        made = {**item, "id": self._new_id(output_items.prefix(item["type"]), item.get("id"))}
        if "call_id" in item and output_items.calls(item["type"]):
            made["call_id"] = self._new_id("call", item["call_id"])
        self._output.append(made)
        self._emit("response.output_item.added", output_index=index, item=dict(made))
        return index

    def _new_id(self, prefix: str, given: Any) -> str:
        """The upstream's id where it has one that no other item bears, else one of ours."""
        used = self._call_ids_used if prefix == "call" else self._ids_used
        made: str = given if type(given) is str and given and given not in used else self._ids(prefix)
        used.add(made)
        return made

    def _close_part(self, part: Stream) -> None:
        self._part = None
        kind, text = part.kind, part.text
        if kind is TEXT:
            self._said += len(text)
        whole = output_items.part(kind, text, part.annotations, part.logprobs)
        holder = self._output[part.output_index].setdefault(kind.holder, [])
        holder.append(whole)
        more = {"logprobs": list(part.logprobs)} if kind is TEXT else {}
        self._emit(kind.done, **part.where(), **{kind.value: text}, **more)
        done = "response.reasoning_summary_part.done" if kind is SUMMARY else "response.content_part.done"
        self._emit(done, **part.where(), part=whole)

    # -- calls -----------------------------------------------------------------------------------

    def _open_call(self, call: CallBuilder) -> None:
        item_id = self._new_id("fc" if call.kind == "function" else "ctc", call.upstream_id)
        call.call_id = self._new_id("call", call.call_id)
        stream = call.open(item_id, len(self._output))
        assert call.item is not None
        self._output.append(call.item)
        self._emit("response.output_item.added", output_index=stream.output_index, item=dict(call.item))
        for piece in call.take_buffered():
            self._delta(stream, piece)

    def _open_named(self, before: CallBuilder) -> None:
        """Those that began before it, and got their name since."""
        for call in sorted(self._changed.values(), key=_order) if len(self._changed) > 1 else ():
            if call.stream is None and call.name and call.order < before.order:
                self._open_call(call)

    def _settle(self) -> None:
        """Something new begins: the open item ends, named calls open, and calls that are whole end.

        A call that got nothing since the last time is as it was then, and is not looked at.
        """
        self.close_item()
        changed, self._changed = self._changed, {}
        for call in sorted(changed.values(), key=_order) if len(changed) > 1 else changed.values():
            if call.stream is None and call.name:
                self._open_call(call)
            if call.stream is not None and not call.closed and call.complete:  # a nameless one is lost
                self._close_call(call, "completed")

    def _close_call(self, call: CallBuilder, status: ItemStatus) -> None:
        assert call.item is not None and call.stream is not None
        call.closed = True
        kind, text = call.stream.kind, call.stream.text
        if kind is ARGUMENTS and status == "completed" and not text.strip():
            self._delta(call.stream, EMPTY_OBJECT)  # clients decode them
            text = call.stream.text
        call.item[kind.value] = text
        call.item["status"] = status
        where = call.stream.where()
        named = {"name": call.name} if call.kind == "function" else {}
        self._emit(kind.done, **where, **named, **{kind.value: text})
        self._emit("response.output_item.done", output_index=where["output_index"], item=call.item)

    def _late(self, call: CallBuilder, delta: str) -> None:
        """Text after whole arguments: some backends repeat them at the end. White space says nothing."""
        assert call.stream is not None
        assert call.item is not None
        if delta.strip() and delta != call.item[call.stream.kind.value]:
            self.losses.add("message.tool_calls.arguments", "dropped: text after their end")

    # -- ends ------------------------------------------------------------------------------------

    def _close_all(self, *, cut: bool) -> None:
        """Ends what is open, in the order of the output; after a cut, the last item is incomplete."""
        for call in self._calls.values():
            if call.stream is None and call.name:
                self.close_item()
                self._open_call(call)
            elif call.stream is None and call.take_buffered():
                self.losses.add(*NAMELESS_CALL)
        for call in self._calls.values():
            if call.stream is not None and not call.closed:
                self._close_call(call, self._call_status(call, cut))
        self._calls.clear()
        self._changed.clear()
        for slot in list(self._begun):  # its end was never said
            self.item({"status": "incomplete" if cut else "completed"}, slot=slot)
        self.close_item(status="incomplete" if cut else "completed")

    def _call_status(self, call: CallBuilder, cut: bool) -> ItemStatus:
        return "incomplete" if cut and not call.complete else "completed"

    def _leave_open(self) -> None:
        """A failure: what was open keeps its text and gets no `done`."""
        for call in self._calls.values():
            if call.item is not None and call.stream is not None and not call.closed:
                call.item.update({call.stream.kind.value: call.stream.text, "status": "incomplete"})
        if self._part is not None and self._item is not None:
            part = self._part
            whole = output_items.part(part.kind, part.text, part.annotations, part.logprobs)
            self._item.setdefault(part.kind.holder, []).append(whole)
        if self._item is not None:
            self._item["status"] = "incomplete"


def _order(call: CallBuilder) -> int:
    return call.order
