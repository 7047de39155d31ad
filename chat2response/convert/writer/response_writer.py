"""`ResponseWriter` creates all events of a response.

Readers of any dialect report what the model produced (`text`, `reasoning`, `call`, ...). The writer adds the
lifecycle events, the ids, `output_index`, `sequence_number`, the echoed fields and the total usage, following
the grammar in `wire/responses.py`. One writer serves one response, over all its turns.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert import usage
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, conclude, from_fault
from chat2response.convert.size_limit import CALL_WEIGHT, ITEM_WEIGHT, check_weight, weigh
from chat2response.convert.writer import output_items
from chat2response.convert.writer.call_arguments import EMPTY_OBJECT, TEXT_AFTER_END
from chat2response.convert.writer.call_builder import NAMELESS_CALL, RENAMED_CALL, CallBuilder
from chat2response.convert.writer.call_delta import CallDelta
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
from chat2response.wire.fault import RESET
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import EventDict, ItemStatus, Response, Usage

_MAX_PIECES = 1024  # of a text, before they are joined


class ResponseWriter:
    """The innermost Writer. `take()` returns the events created since the last call."""

    def __init__(self, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None) -> None:
        self.done = False
        self.losses = Losses() if losses is None else losses
        self.outcome: Outcome | None = None
        """How the last turn ended."""
        self.weight = 0
        """The estimated memory of the answer in bytes, without the text of its deltas (`size_limit`)."""
        self.max_weight: int | None = None
        """The limit of `weight`; beyond it a method raises UpstreamError, even in the middle of an event."""
        self.started = False
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
        self._closed_text_length = 0  # characters in the closed text parts of this turn
        self._calls: dict[Hashable, CallBuilder] = {}  # of this turn, open or closed
        self._changed: dict[Hashable, CallBuilder] = {}  # calls that changed since the last `_settle`
        self._open_items: dict[Hashable, int] = {}  # output_index of the items that `item` began
        self._ids_used: set[str] = set()  # upstreams repeat ids
        self._call_ids_used: set[str] = set()

    # -- lifecycle -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Emits `created` and `in_progress`."""
        self.started = True
        snapshot = self._initial_response()
        self._emit("response.created", response=snapshot)
        self._emit("response.in_progress", response=snapshot)

    def beat(self) -> None:
        """Repeats the `in_progress` event, as a sign of life."""
        self._emit("response.in_progress", response=self._initial_response())

    def _initial_response(self) -> dict[str, Any]:
        return {**self.response, "status": "in_progress", "output": [], "usage": None}

    def end_turn(self, turn_usage: Usage | None, outcome: Outcome) -> None:
        self.outcome = outcome
        response = self.response
        response["usage"] = usage.add(response["usage"], turn_usage)
        if outcome.service_tier:
            response["service_tier"] = outcome.service_tier
        if outcome.moderation:
            response["moderation"] = outcome.moderation
        if outcome.status != "failed":
            self._close_all(cut=outcome.status == "incomplete")
            self._closed_text_length = 0

    def finish(self) -> None:
        """Emits the terminal event for the outcome of the last turn; a failure, if no turn has ended."""
        outcome = self.outcome or from_fault(RESET)
        self.end(outcome.status, error=outcome.error, reason=outcome.reason)

    def end(self, status: str, *, error: BridgeError | None = None, reason: str | None = None) -> None:
        """Emits the terminal event: `completed`, `incomplete` (with its reason) or `failed` (with its error).

        Later calls do nothing: a response has exactly one terminal event.
        """
        if self.ended:
            return
        if status == "failed":
            self._keep_open_content()
        elif not self._output:
            self._open_part(TEXT, None)  # clients need an output item
            self.close_item(status="incomplete" if status == "incomplete" else "completed")
        self.ended = True
        conclude(self.response, status, error, reason, self._clock)
        self._emit(f"response.{status}", response=self.response)

    def withhold_end(self) -> None:
        """Takes back the terminal event, which has not been taken yet: the response ends in another way."""
        self._events.pop()
        self._number -= 1
        self.ended = False

    @property
    def event_count(self) -> int:
        """The number of events so far."""
        return self._number

    def take(self) -> list[Event]:
        """The events created since the last call."""
        events, self._events = self._events, []
        if self._part is not None and len(self._part.pieces) > _MAX_PIECES:
            self._part.join_pieces()
        return events

    # -- content of the model ---------------------------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        part = self._part
        if part is None or part.kind is not TEXT:
            part = self._open_part(TEXT, id)
        if logprobs:
            part.logprobs.extend(logprobs)
            self._weigh(weigh(logprobs))
        part.pieces.append(delta)
        self._events.append(Delta(part, delta, self._number, logprobs))
        self._number += 1

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._delta(self._part_for(REFUSAL, id), delta)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._delta(self._part_for(SUMMARY if summary else REASONING, id), delta)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        if in_turn and self._closed_text_length:
            kind = self._part.kind if self._part is not None else None
            moved = output_items.move_citation(annotation, -self._closed_text_length, kind, self.losses)
            if moved is None:
                return
            annotation = moved
        part = self._part_for(TEXT, id)
        self._weigh(weigh(annotation))
        number = len(part.annotations)
        part.annotations.append(annotation)
        self._emit(
            "response.output_text.annotation.added",
            **part.position(),
            annotation_index=number,
            annotation=annotation,
        )

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        item = self._item
        if item is None or item["type"] != "reasoning":
            self._settle()
            item = self._add_item(output_items.reasoning(self._new_id("rs", id)))
        item["encrypted_content"] = blob

    def call(self, call: CallDelta, /) -> None:
        slot, delta = call.slot, call.delta
        builder = self._calls.get(slot)
        if builder is None:
            self._settle()
            self._weigh(CALL_WEIGHT)
            builder = self._calls[slot] = CallBuilder(call.id, len(self._calls))
        if not builder.closed:
            self._changed[slot] = builder
        if builder.item is None:
            builder.update(call)
        elif call.name and call.name != builder.name:
            self.losses.add(*RENAMED_CALL)
        builder.ended = builder.ended or call.last
        if not delta:
            return
        if builder.closed:
            self._extra_arguments(builder, delta)
        elif builder.stream is not None:
            self._delta(builder.stream, delta)
        elif builder.buffer(delta):
            self._open_named(before=builder)
            self._open_call(builder)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._weigh(weigh(item))
        index = self._open_items.get(slot)
        if index is None:
            index = self._begin_item(item)
        if not done:
            self._open_items[slot] = index
            return
        self._open_items.pop(slot, None)
        whole = self._output[index]
        whole.update({key: value for key, value in item.items() if key not in ("id", "call_id")})
        self._emit("response.output_item.done", output_index=index, item=whole)

    def item_event(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        index = self._open_items.get(slot)
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
        if self.max_weight is not None and self.weight > self.max_weight:
            check_weight(self.weight, self.max_weight)

    def _emit(self, event_type: str, **fields: Any) -> None:
        event: EventDict = {"type": event_type, "sequence_number": self._number}
        event.update(fields)
        self._events.append(event)
        self._number += 1

    def _delta(self, stream: Stream, delta: str) -> None:
        if len(stream.pieces) > _MAX_PIECES:
            stream.join_pieces()
        stream.pieces.append(delta)
        self._events.append(Delta(stream, delta, self._number))
        self._number += 1

    def _part_for(self, kind: Kind, item_id: str | None) -> Stream:
        part = self._part
        return part if part is not None and part.kind is kind else self._open_part(kind, item_id)

    def _open_part(self, kind: Kind, item_id: str | None) -> Stream:
        """Opens a part: in the open item if it fits there, else in a new item."""
        item = self._item
        if item is not None and item["type"] == kind.item:
            self.close_item(part=True)
        if item is None or not output_items.fits(item, kind):
            self._settle()
            if kind.item == "message":
                item = self._add_item(output_items.message(self._new_id("msg", item_id)))
            else:
                item = self._add_item(output_items.reasoning(self._new_id("rs", item_id)))
        self._weigh(ITEM_WEIGHT)
        stream = Stream(kind, item["id"], self._item_index, len(item.setdefault(kind.holder, [])))
        self._part = stream
        added = "response.reasoning_summary_part.added" if kind is SUMMARY else "response.content_part.added"
        self._emit(added, **stream.position(), part=output_items.part(kind))
        return stream

    def _add_item(self, item: dict[str, Any]) -> dict[str, Any]:
        self._weigh(ITEM_WEIGHT)
        self._item = item
        self._item_index = len(self._output)
        self._output.append(item)
        empty = {key: [] if type(value) is list else value for key, value in item.items()}
        self._emit("response.output_item.added", output_index=self._item_index, item=empty)
        return item

    def _begin_item(self, item: dict[str, Any]) -> int:
        self._settle()
        self._weigh(ITEM_WEIGHT)
        index = len(self._output)
        copy = {**item, "id": self._new_id(output_items.id_prefix(item["type"]), item.get("id"))}
        if "call_id" in item and output_items.makes_call(item["type"]):
            copy["call_id"] = self._new_id("call", item["call_id"])
        self._output.append(copy)
        self._emit("response.output_item.added", output_index=index, item=dict(copy))
        return index

    def _new_id(self, prefix: str, upstream_id: Any) -> str:
        """The upstream's id, if it sent one that no other item has; else a new one."""
        used = self._call_ids_used if prefix == "call" else self._ids_used
        usable = type(upstream_id) is str and upstream_id and upstream_id not in used
        new_id: str = upstream_id if usable else self._ids(prefix)
        used.add(new_id)
        return new_id

    def _close_part(self, part: Stream) -> None:
        self._part = None
        kind, text = part.kind, part.text
        if kind is TEXT:
            self._closed_text_length += len(text)
        whole = output_items.part(kind, text, part.annotations, part.logprobs)
        holder = self._output[part.output_index].setdefault(kind.holder, [])
        holder.append(whole)
        more = {"logprobs": list(part.logprobs)} if kind is TEXT else {}
        self._emit(kind.done, **part.position(), **{kind.value: text}, **more)
        done = "response.reasoning_summary_part.done" if kind is SUMMARY else "response.content_part.done"
        self._emit(done, **part.position(), part=whole)

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
        """Opens the calls that began before `before` and got their name since."""
        for call in sorted(self._changed.values(), key=_order) if len(self._changed) > 1 else ():
            if call.stream is None and call.name and call.order < before.order:
                self._open_call(call)

    def _settle(self) -> None:
        """Before something new begins: closes the open item, opens calls that have a name, closes complete
        ones.

        Only calls that changed since the last time are examined.
        """
        self.close_item()
        changed, self._changed = self._changed, {}
        for call in sorted(changed.values(), key=_order) if len(changed) > 1 else changed.values():
            if call.stream is None and call.name:
                self._open_call(call)
            if call.stream is not None and not call.closed and call.complete:  # without a name it is lost
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
        position = call.stream.position()
        named = {"name": call.name} if call.kind == "function" else {}
        self._emit(kind.done, **position, **named, **{kind.value: text})
        self._emit("response.output_item.done", output_index=position["output_index"], item=call.item)

    def _extra_arguments(self, call: CallBuilder, delta: str) -> None:
        """Text after complete arguments is a loss, unless it repeats them or is blank."""
        assert call.stream is not None
        assert call.item is not None
        if delta.strip() and delta != call.item[call.stream.kind.value]:
            self.losses.add(*TEXT_AFTER_END)

    # -- ends ------------------------------------------------------------------------------------

    def _close_all(self, *, cut: bool) -> None:
        """Closes everything that is open, in output order. After a cut, what is not whole is incomplete."""
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
        for slot in list(self._open_items):  # the reader never ended it
            self.item({"status": "incomplete" if cut else "completed"}, slot=slot)
        self.close_item(status="incomplete" if cut else "completed")

    def _call_status(self, call: CallBuilder, cut: bool) -> ItemStatus:
        return "incomplete" if cut and not call.complete else "completed"

    def _keep_open_content(self) -> None:
        """After a failure: what is open keeps its text, but gets no `done` event."""
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
