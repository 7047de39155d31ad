"""`ResponseWriter` creates all events of a response.

Readers of any dialect report what the model produced (`text`, `reasoning`, `call`, ...). The writer adds the
lifecycle events, the ids, `output_index`, `sequence_number`, the echoed fields and the total usage, following
the grammar in `wire/responses.py`. One writer serves one response, over all its turns.

What is open is kept in parts: `OpenContent` (a message or reasoning), `OpenCalls`, `OtherItems`. The writer
decides what must end before something begins, and weighs it.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert import usage
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, conclude, from_fault
from chat2response.convert.size_limit import CALL_WEIGHT, ITEM_WEIGHT, check_weight, weigh
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.event_log import MAX_PIECES, EventLog
from chat2response.convert.writer.events import REASONING, REFUSAL, SUMMARY, TEXT, Delta, Event, Kind, Stream
from chat2response.convert.writer.open_calls import OpenCalls
from chat2response.convert.writer.open_content import OpenContent
from chat2response.convert.writer.other_items import OtherItems
from chat2response.convert.writer.output_list import OutputList
from chat2response.errors import BridgeError
from chat2response.wire.fault import RESET
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import EventDict, ItemStatus, Response, Usage


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
        """The limit of `weight`; beyond it a method raises UpstreamError."""
        self.started = False
        self.ended = False
        self.response: Response = echo.response(ids("resp"), int(clock()))
        self._clock = clock
        self._join_at = MAX_PIECES  # the event after which the pieces of the open part are joined
        self._log = log = EventLog()
        output = OutputList(self.response["output"], log, ids)
        self._content = OpenContent(output, log)
        self._calls = OpenCalls(self._content, output, log, self.losses)
        self._others = OtherItems(output, log)

    # -- lifecycle -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Emits `created` and `in_progress`."""
        self.started = True
        snapshot = self._initial_response()
        self._log.emit("response.created", response=snapshot)
        self._log.emit("response.in_progress", response=snapshot)

    def beat(self) -> None:
        """Repeats the `in_progress` event, as a sign of life."""
        self._log.emit("response.in_progress", response=self._initial_response())

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
            cut = outcome.status == "incomplete"
            self._calls.end_turn(cut=cut)
            self._others.end_turn(cut=cut)
            self._content.close("incomplete" if cut else "completed")
            self._content.closed_text_length = 0

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
            self._calls.leave_open()
            self._content.leave_open()
        elif not self.response["output"]:
            self._open_part(TEXT, None)  # clients need an output item
            self._content.close("incomplete" if status == "incomplete" else "completed")
        self.ended = True
        conclude(self.response, status, error, reason, self._clock)
        self._log.emit(f"response.{status}", response=self.response)

    def withhold_end(self) -> None:
        """Takes back the terminal event, which has not been taken yet: the response ends in another way."""
        self._log.withdraw_last()
        self.ended = False

    @property
    def event_count(self) -> int:
        """The number of events so far."""
        return self._log.number

    def take(self) -> list[Event]:
        """The events created since the last call."""
        log = self._log
        events = log.events
        log.events = []
        if log.number > self._join_at:
            self._join_at = log.number + MAX_PIECES
            if self._content.part is not None:
                self._content.part.join_pieces()
        return events

    # -- content of the model ---------------------------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        part = self._content.text_part
        if part is None:
            part = self._open_part(TEXT, id)
        if logprobs:
            part.logprobs.extend(logprobs)
            self._weigh(weigh(logprobs))
        part.pieces.append(delta)
        log = self._log
        log.events.append(Delta(part, delta, log.number, logprobs))
        log.number += 1

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._log.delta(self._part_for(REFUSAL, id), delta)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        kind = SUMMARY if summary else REASONING
        part = self._content.part
        if part is None or part.kind is not kind:
            part = self._open_part(kind, id)
        self._log.delta(part, delta)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        moved = self._content.move_into_part(annotation, self.losses) if in_turn else annotation
        if moved is not None:
            part = self._part_for(TEXT, id)
            self._weigh(weigh(moved))
            self._content.annotate(part, moved)

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        item = self._content.item
        if item is None or item["type"] != "reasoning":
            self._settle()
            self._weigh(ITEM_WEIGHT)
            item = self._content.open_item("reasoning", id)
        item["encrypted_content"] = blob

    def call(self, call: CallDelta, /) -> None:
        calls = self._calls
        builder = calls.by_slot.get(call.slot)
        if builder is None:
            self._settle()
            self._weigh(CALL_WEIGHT)
            builder = calls.begin(call)
        calls.write(builder, call)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._weigh(weigh(item))
        if not self._others.is_open(slot):
            self._settle()
            self._weigh(ITEM_WEIGHT)
            self._others.begin(item, slot)
        if done:
            self._others.end(item, slot)

    def item_event(self, slot: Hashable, event_type: str, **fields: Any) -> None:
        self._others.write_event(slot, event_type, fields)

    def forward_event(self, event: EventDict) -> None:
        fields = {key: value for key, value in event.items() if key not in ("type", "sequence_number")}
        self._log.emit(event["type"], **fields)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        if part:
            self._content.close_part()
        else:
            self._content.close(status)

    # -- what must end before something begins -----------------------------------------------------

    def _part_for(self, kind: Kind, item_id: str | None) -> Stream:
        part = self._content.part
        return part if part is not None and part.kind is kind else self._open_part(kind, item_id)

    def _open_part(self, kind: Kind, item_id: str | None) -> Stream:
        """Opens a part: in the open item if it fits there, else in a new item."""
        content = self._content
        content.close_part()
        if not content.fits(kind):
            self._settle()
            self._weigh(ITEM_WEIGHT)
        self._weigh(ITEM_WEIGHT)
        return content.open_part(kind, item_id)

    def _settle(self) -> None:
        """Before a new item: closes the open one, and the calls that are complete."""
        self._content.close()
        self._calls.settle()

    def _weigh(self, bytes_: int) -> None:
        self.weight += bytes_
        if self.max_weight is not None and self.weight > self.max_weight:
            check_weight(self.weight, self.max_weight)
