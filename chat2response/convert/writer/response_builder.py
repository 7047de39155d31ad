"""`WholeWriter`: the writer of an answer that came whole. The items are those that `ResponseWriter` makes of
the same words; there are no events, for nobody reads along."""

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
    CallKind,
)
from chat2response.convert.writer.events import REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import is_complete_object
from chat2response.wire.responses import Response, Usage


class ResponseBuilder:
    """A Speech: a turn is said on it, then it is closed."""

    def __init__(self, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses) -> None:
        self.losses = losses
        self.response: Response = echo.response(ids("resp"), int(clock()))
        self._ids = ids
        self._clock = clock
        self._output: list[dict[str, Any]] = self.response["output"]
        self._item: dict[str, Any] | None = None  # the message or reasoning item that may go on
        self._kind: Kind | None = None
        self._part: dict[str, Any] = {}  # the part that may go on, of that kind
        self._said = 0  # characters in the text parts before it
        self._calls: dict[Hashable, CallBuilder] = {}
        self._call_ids: set[str] = set()

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        part = self._at(TEXT)
        part["text"] += delta
        part["logprobs"].extend(logprobs)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._at(REFUSAL)["refusal"] += delta

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        self._at(SUMMARY if summary else REASONING)["text"] += delta

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        moved: dict[str, Any] | None = annotation
        if in_turn and self._said:
            moved = output_items.moved_citation(annotation, -self._said, self._kind, self.losses)
        if moved is not None:
            self._at(TEXT)["annotations"].append(moved)

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
            call = self._calls[slot] = CallBuilder(id, len(self._calls))
        if name and call.item is not None and name != call.name:
            self.losses.add(*RENAMED_CALL)
        call.update(kind, call_id, name, namespace)
        if delta and call.item is None:
            call.buffer(delta)
        elif delta and call.item is not None:
            call.item[STREAM_KINDS[call.kind].value] += delta

    def finish(self, used: Usage | None, outcome: Outcome) -> Response:
        """The response, for an outcome that is not a failure."""
        response, cut = self.response, outcome.status == "incomplete"
        self._open_calls()
        if any(call.item is None and call.take_buffered() for call in self._calls.values()):
            self.losses.add(*NAMELESS_CALL)
        if not self._output:
            self._at(TEXT)
        if cut:
            self._mark_cut()
        self._fill_calls()
        response["usage"] = usage.add(None, used)
        if outcome.service_tier:
            response["service_tier"] = outcome.service_tier
        if outcome.moderation:
            response["moderation"] = outcome.moderation
        conclude(response, outcome.status, None, outcome.reason, self._clock)
        return response

    def _at(self, kind: Kind) -> dict[str, Any]:
        """The part that goes on, or a new one, in the item that goes on where it fits there."""
        if kind is self._kind:
            return self._part
        item = self._item
        if item is None or not output_items.fits(item, kind):
            self._settle()
            made = output_items.message if kind.item == "message" else output_items.reasoning
            item = self._item = made(self._ids("msg" if kind.item == "message" else "rs"), "completed")
            self._output.append(item)
        elif self._kind is TEXT:
            self._said += len(self._part["text"])
        part = output_items.part(kind)
        item.setdefault(kind.holder, []).append(part)
        self._kind, self._part = kind, part
        return part

    def _settle(self) -> None:
        if self._kind is TEXT:
            self._said += len(self._part["text"])
        self._item = self._kind = None
        self._open_calls()

    def _open_calls(self) -> None:
        """Those that have a name by now; one that never gets any is lost."""
        for call in self._calls.values():
            if call.item is None and call.name:
                self._output.append(self._made(call))

    def _made(self, call: CallBuilder) -> dict[str, Any]:
        item_id = self._ids("fc" if call.kind == "function" else "ctc")
        if not call.call_id or call.call_id in self._call_ids:
            call.call_id = self._ids("call")
        self._call_ids.add(call.call_id)
        said = "".join(call.take_buffered())
        kind = STREAM_KINDS[call.kind]
        call.item = output_items.call(
            kind, item_id, call.call_id, call.name, call.namespace, said, "completed"
        )
        return call.item

    def _fill_calls(self) -> None:
        """Arguments that are nothing are an empty object: clients decode them."""
        for item in self._output:
            if item["type"] == "function_call" and item["status"] == "completed":
                item["arguments"] += "" if item["arguments"].strip() else EMPTY_OBJECT

    def _mark_cut(self) -> None:
        """What might have gone on is incomplete, and so is any call that is not surely whole."""
        if self._item is not None:
            self._item["status"] = "incomplete"
        for item in self._output:
            called = item.get("arguments") if item["type"] == "function_call" else None
            if "call_id" in item and not (called and is_complete_object(called)):
                item["status"] = "incomplete"
