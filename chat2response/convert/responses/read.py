"""Reads a Responses stream: bytes of events into calls on a writer.

What an upstream says only in a `done` event, or only in the terminal response, is filled in behind what
was streamed; nothing is said twice. Ids of the upstream's items are kept.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import outcome, usage
from chat2response.convert.events import REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.failures import upstream_error
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer import Writer
from chat2response.errors import UpstreamError
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode
from chat2response.wire.machine import RESET, Fault

Place = tuple[int, str, int]  # output_index, kind of text, index of the part

_TERMINAL = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_PART_KINDS = {kind.part: kind for kind in (TEXT, REFUSAL, REASONING, SUMMARY)}


class ResponsesReader:
    """Machine[bytes, None] onto `writer`."""

    def __init__(self, writer: Writer) -> None:
        self.done = False
        self._writer = writer
        self._frames = sse.Frames()
        self._sent: dict[Place, int] = {}  # characters handed on, per stream of deltas
        self._closed: set[int] = set()
        self._take_event: dict[str, Callable[[dict[str, Any]], None]] = {
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._refusal,
            "response.reasoning_text.delta": self._reasoning,
            "response.reasoning.delta": self._reasoning,
            "response.reasoning_summary_text.delta": self._summary,
            "response.function_call_arguments.delta": self._arguments,
            "response.function_call_arguments.done": self._arguments_done,
            "response.output_text.annotation.added": self._annotation,
            "response.content_part.done": self._part_done,
            "response.reasoning_summary_part.done": self._part_done,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "error": self._error,
        }
        self._take_event.update(dict.fromkeys(_TERMINAL, self._terminal))

    def feed(self, data: bytes, /) -> None:
        """Takes one network read."""
        for payload in self._frames.feed(data):
            if self.done:
                return
            self._take(payload)
        if self._frames.overrun and not self.done:
            self._turn(outcome.failed(UpstreamError("An event of the upstream's stream is too large.")))

    def close(self, fault: Fault | None = None, /) -> None:
        """The stream ended, or was stopped: without a terminal event that is a failure."""
        for payload in self._frames.close(fault):
            if not self.done:
                self._take(payload, last=True)
        if not self.done:
            self._turn(outcome.from_fault(fault or RESET))

    def _take(self, payload: bytes, *, last: bool = False) -> None:
        if payload == sse.DONE:
            return
        try:
            event = decode(payload)
        except JSONError:
            if payload.strip() and not last:
                self._turn(outcome.failed(UpstreamError("The upstream sent an event that cannot be read.")))
            return
        if type(event) is not dict:
            return
        take = self._take_event.get(event.get("type") or "")
        if take is not None:
            take(event)
        elif "type" not in event and (error := upstream_error(event)):
            self._turn(outcome.failed(error))
        if self._writer.done:
            self.done = True

    # -- deltas ------------------------------------------------------------------------------------

    def _count(self, event: dict[str, Any], kind: Kind) -> str:
        delta = event.get("delta")
        if type(delta) is not str or not delta:
            return ""
        place = _place(event, kind)
        self._sent[place] = self._sent.get(place, 0) + len(delta)
        return delta

    def _text(self, event: dict[str, Any]) -> None:
        if delta := self._count(event, TEXT):
            logprobs = event.get("logprobs")
            self._writer.text(delta, logprobs if type(logprobs) is list else (), id=event.get("item_id"))

    def _refusal(self, event: dict[str, Any]) -> None:
        if delta := self._count(event, REFUSAL):
            self._writer.refusal(delta, id=event.get("item_id"))

    def _reasoning(self, event: dict[str, Any]) -> None:
        if delta := self._count(event, REASONING):
            self._writer.reasoning(delta, id=event.get("item_id"))

    def _summary(self, event: dict[str, Any]) -> None:
        if delta := self._count(event, SUMMARY):
            self._writer.reasoning(delta, summary=True, id=event.get("item_id"))

    def _arguments(self, event: dict[str, Any]) -> None:
        delta = event.get("delta")
        if type(delta) is str and delta:
            self._call_delta(_index(event, "output_index"), delta)

    def _call_delta(self, slot: int, delta: str) -> None:
        place = (slot, "arguments", 0)
        self._sent[place] = self._sent.get(place, 0) + len(delta)
        self._writer.call(slot, delta=delta)

    def _annotation(self, event: dict[str, Any]) -> None:
        annotation = event.get("annotation")
        if type(annotation) is dict:
            place = (_index(event, "output_index"), "annotations", _index(event, "content_index"))
            self._sent[place] = self._sent.get(place, 0) + 1
            self._writer.annotation(annotation)

    # -- what is done: fill in what no delta said, then close --------------------------------------

    def _arguments_done(self, event: dict[str, Any]) -> None:
        self._rest_of_arguments(_index(event, "output_index"), event.get("arguments"))

    def _rest_of_arguments(self, slot: int, whole: Any) -> None:
        sent = self._sent.get((slot, "arguments", 0), 0)
        if type(whole) is str and len(whole) > sent:
            self._call_delta(slot, whole[sent:])

    def _part_done(self, event: dict[str, Any]) -> None:
        part = event.get("part")
        kind = _PART_KINDS.get(part.get("type", "")) if type(part) is dict else None
        if kind is not None and type(part) is dict:
            self._rest_of_part(event, kind, part)

    def _rest_of_part(self, event: dict[str, Any], kind: Kind, part: dict[str, Any]) -> None:
        """`event` says where: output_index, item_id and the part's number."""
        place = _place(event, kind)
        if self._sent.get(place) == -1:
            return
        whole, sent = part.get(kind.value), self._sent.get(place, 0)
        if type(whole) is str and len(whole) > sent:
            self._say(kind, whole[sent:], event.get("item_id"))
        annotations = part.get("annotations")
        known = self._sent.get((place[0], "annotations", place[2]), 0)
        for annotation in annotations[known:] if type(annotations) is list else ():
            self._writer.annotation(annotation)
        self._sent[place] = -1
        self._writer.close(part=True)

    def _say(self, kind: Kind, text: str, item_id: Any) -> None:
        if kind is TEXT:
            self._writer.text(text, id=item_id)
        elif kind is REFUSAL:
            self._writer.refusal(text, id=item_id)
        else:
            self._writer.reasoning(text, summary=kind is SUMMARY, id=item_id)

    # -- items -------------------------------------------------------------------------------------

    def _item_added(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict and item.get("type") == "function_call":
            self._announce(_index(event, "output_index"), item)

    def _announce(self, slot: int, item: dict[str, Any]) -> None:
        self._writer.call(
            slot,
            call_id=item.get("call_id") or item.get("id"),
            name=item.get("name"),
            namespace=item.get("namespace"),
            id=item.get("id"),
        )

    def _item_done(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if type(item) is dict:
            self._whole_item(_index(event, "output_index"), item)

    def _whole_item(self, index: int, item: dict[str, Any]) -> None:
        if index in self._closed:
            return
        self._closed.add(index)
        kind = item.get("type")
        if kind == "function_call":
            self._announce(index, item)
            self._rest_of_arguments(index, item.get("arguments"))
        elif kind in ("message", "reasoning"):
            self._whole_parts(index, item)
            if kind == "reasoning" and type(item.get("encrypted_content")) is str:
                self._writer.signature(item["encrypted_content"])
            status = item.get("status")
            self._writer.close(status="incomplete" if status == "incomplete" else "completed")
        else:
            self._writer.item(item)

    def _whole_parts(self, index: int, item: dict[str, Any]) -> None:
        for holder in ("summary", "content"):
            parts = item.get(holder)
            for number, part in enumerate(parts if type(parts) is list else ()):
                kind = _PART_KINDS.get(part.get("type", "")) if type(part) is dict else None
                if kind is not None:
                    where = {"output_index": index, "item_id": item.get("id"), kind.index or "": number}
                    self._rest_of_part(where, kind, part)

    # -- ends --------------------------------------------------------------------------------------

    def _terminal(self, event: dict[str, Any]) -> None:
        response = event.get("response")
        response = response if type(response) is dict else {}
        output = response.get("output")
        if event["type"] in ("response.completed", "response.incomplete"):
            for index, item in enumerate(output if type(output) is list else ()):
                if type(item) is dict:
                    self._whole_item(index, item)
        self._turn(response_outcome(event["type"].removeprefix("response."), response), response.get("usage"))

    def _error(self, event: dict[str, Any]) -> None:
        error = upstream_error(event) or UpstreamError("The upstream ended the stream with an error.")
        self._turn(outcome.failed(error))

    def _turn(self, ended: Outcome, used: Any = None) -> None:
        self.done = True
        self._writer.turn(usage.read(used), ended)


def response_outcome(status: str, response: dict[str, Any]) -> Outcome:
    """How a whole response ended; a status that is not an end is a failure."""
    tier = response.get("service_tier")
    tier = tier if type(tier) is str else None
    if status == "completed":
        return Outcome(service_tier=tier)
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if type(details) is dict else None
        return Outcome("incomplete", reason if type(reason) is str else None, None, tier)
    if status == "cancelled":
        return outcome.failed(UpstreamError("The response was cancelled.", status=400, code="response_cancelled"))
    error = upstream_error({"error": response.get("error")})
    return outcome.failed(error or UpstreamError(f"The upstream's response ended as {status}."))


def _index(event: dict[str, Any], name: str) -> int:
    value = event.get(name)
    return value if type(value) is int else 0


def _place(event: dict[str, Any], kind: Kind) -> Place:
    return (_index(event, "output_index"), kind.value + kind.part, _index(event, kind.index or ""))
