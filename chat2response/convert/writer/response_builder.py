"""`ResponseBuilder` writes the response of an answer that arrived whole.

It creates the same items as `ResponseWriter`, but no events.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from chat2response.convert import usage
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, conclude
from chat2response.convert.writer import output_items
from chat2response.convert.writer.call_arguments import EMPTY_OBJECT
from chat2response.convert.writer.call_builder import (
    NAMELESS_CALL,
    RENAMED_CALL,
    STREAM_KINDS,
    CallBuilder,
)
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.events import REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import is_complete_object
from chat2response.wire.responses import Response, Usage


class ResponseBuilder:
    """A ContentWriter for one turn; `finish` returns the response."""

    def __init__(self, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses) -> None:
        self.losses = losses
        self.response: Response = echo.response(ids("resp"), int(clock()))
        self._ids = ids
        self._clock = clock
        self._output: list[dict[str, Any]] = self.response["output"]
        self._item: dict[str, Any] | None = None  # the open message or reasoning item
        self._kind: Kind | None = None
        self._part: dict[str, Any] = {}  # the open part, of that kind
        self._closed_text_length = 0  # characters in the closed text parts
        self._calls: dict[Hashable, CallBuilder] = {}
        self._call_ids: set[str] = set()

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        part = self._part_for(TEXT)
        part["text"] += delta
        part["logprobs"].extend(logprobs)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._part_for(REFUSAL)["refusal"] += delta

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._part_for(SUMMARY if summary else REASONING)["text"] += delta

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        moved: dict[str, Any] | None = annotation
        if in_turn and self._closed_text_length:
            moved = output_items.move_citation(annotation, -self._closed_text_length, self._kind, self.losses)
        if moved is not None:
            self._part_for(TEXT)["annotations"].append(moved)

    def call(self, call: CallDelta, /) -> None:
        builder = self._calls.get(call.slot)
        if builder is None:
            self._close_item()
            builder = self._calls[call.slot] = CallBuilder(call.id, len(self._calls))
        if builder.item is None:
            builder.update(call)
            if call.delta:
                builder.buffer(call.delta)
            return
        if call.name and call.name != builder.name:
            self.losses.add(*RENAMED_CALL)
        builder.item[STREAM_KINDS[builder.kind].value] += call.delta

    def finish(self, turn_usage: Usage | None, outcome: Outcome) -> Response:
        """The response. `outcome` must not be a failure."""
        response, cut = self.response, outcome.status == "incomplete"
        self._open_calls()
        if any(call.item is None and call.take_buffered() for call in self._calls.values()):
            self.losses.add(*NAMELESS_CALL)
        if not self._output:
            self._part_for(TEXT)
        if cut:
            self._mark_cut()
        self._fill_calls()
        response["usage"] = usage.add(None, turn_usage)
        if outcome.service_tier:
            response["service_tier"] = outcome.service_tier
        if outcome.moderation:
            response["moderation"] = outcome.moderation
        conclude(response, outcome.status, None, outcome.reason, self._clock)
        return response

    def _part_for(self, kind: Kind) -> dict[str, Any]:
        """The open part of this kind, or a new one: in the open item if it fits there, else in a new item."""
        if kind is self._kind:
            return self._part
        item = self._item
        if item is None or not output_items.fits(item, kind):
            self._close_item()
            create = output_items.message if kind.item == "message" else output_items.reasoning
            item = self._item = create(self._ids("msg" if kind.item == "message" else "rs"), "completed")
            self._output.append(item)
        elif self._kind is TEXT:
            self._closed_text_length += len(self._part["text"])
        part = output_items.part(kind)
        item.setdefault(kind.holder, []).append(part)
        self._kind, self._part = kind, part
        return part

    def _close_item(self) -> None:
        if self._kind is TEXT:
            self._closed_text_length += len(self._part["text"])
        self._item = self._kind = None
        self._open_calls()

    def _open_calls(self) -> None:
        """Creates the items of the calls that have a name by now. A call that never gets one is lost."""
        for call in self._calls.values():
            if call.item is None and call.name:
                self._output.append(self._create_call(call))

    def _create_call(self, call: CallBuilder) -> dict[str, Any]:
        item_id = self._ids("fc" if call.kind == "function" else "ctc")
        if not call.call_id or call.call_id in self._call_ids:
            call.call_id = self._ids("call")
        self._call_ids.add(call.call_id)
        arguments = "".join(call.take_buffered())
        kind = STREAM_KINDS[call.kind]
        call.item = output_items.call(
            kind, item_id, call.call_id, call.name, call.namespace, arguments, "completed"
        )
        return call.item

    def _fill_calls(self) -> None:
        """Blank arguments become an empty object, because clients decode them."""
        for item in self._output:
            if item["type"] == "function_call" and item["status"] == "completed":
                item["arguments"] += "" if item["arguments"].strip() else EMPTY_OBJECT

    def _mark_cut(self) -> None:
        """Marks the open item as incomplete, and every call that is not certainly whole."""
        if self._item is not None:
            self._item["status"] = "incomplete"
        for item in self._output:
            arguments = item.get("arguments") if item["type"] == "function_call" else None
            if "call_id" in item and not (arguments and is_complete_object(arguments)):
                item["status"] = "incomplete"
