"""`OpenContent` is the message or reasoning item that is open, and its open part."""

from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.writer import output_items
from chat2response.convert.writer.event_log import EventLog
from chat2response.convert.writer.events import SUMMARY, TEXT, Kind, Stream
from chat2response.convert.writer.output_items import ItemDict
from chat2response.convert.writer.output_list import OutputList
from chat2response.wire.responses import ItemStatus


class OpenContent:
    """At most one item, and at most one part of it, are open. Items follow one another, and so do parts."""

    __slots__ = ("_index", "_log", "_output", "closed_text_length", "item", "part", "text_part")

    def __init__(self, output: OutputList, log: EventLog) -> None:
        self.item: ItemDict | None = None
        self.part: Stream | None = None
        self.text_part: Stream | None = None
        """The open part, if it is text."""
        self.closed_text_length = 0
        """Characters in the closed text parts of this turn."""
        self._index = 0  # of the item
        self._output = output
        self._log = log

    def fits(self, kind: Kind) -> bool:
        """Whether the next part of the open item may be of this kind. The open part must be closed before."""
        return self.item is not None and output_items.fits(self.item, kind)

    def open_item(self, item_type: str, upstream_id: str | None) -> ItemDict:
        """Opens a message or a reasoning item. Everything but calls must be closed before."""
        if item_type == "message":
            item = output_items.message(self._output.new_id("msg", upstream_id))
        else:
            item = output_items.reasoning(self._output.new_id("rs", upstream_id))
        self.item = item
        self._index = self._output.add(item)
        return item

    def open_part(self, kind: Kind, upstream_id: str | None) -> Stream:
        """Opens a part: in the open item, which it must fit, or in a new item."""
        item = self.item or self.open_item(kind.item, upstream_id)
        part = Stream(kind, item["id"], self._index, len(item.setdefault(kind.holder, [])))
        self.part = part
        self.text_part = part if kind is TEXT else None
        self._log.emit(f"{_part_event(kind)}.added", **part.position(), part=output_items.part(kind))
        return part

    def annotate(self, part: Stream, annotation: dict[str, Any]) -> None:
        """Adds an annotation to the open part."""
        index = len(part.annotations)
        part.annotations.append(annotation)
        self._log.emit(
            "response.output_text.annotation.added",
            **part.position(),
            annotation_index=index,
            annotation=annotation,
        )

    def move_into_part(self, annotation: dict[str, Any], losses: Losses) -> dict[str, Any] | None:
        """The annotation, whose indices count from the start of the turn, with those of the open part.

        None, and a loss, if they are outside it.
        """
        if not self.closed_text_length:
            return annotation
        kind = None if self.part is None else self.part.kind
        return output_items.move_citation(annotation, -self.closed_text_length, kind, losses)

    def close_part(self) -> None:
        part = self.part
        if part is None:
            return
        self.part = self.text_part = None
        kind, whole = part.kind, self._append_part(part)
        if kind is TEXT:
            self.closed_text_length += len(whole["text"])
        more = {"logprobs": list(part.logprobs)} if kind is TEXT else {}
        self._log.emit(kind.done, **part.position(), **{kind.value: whole[kind.value]}, **more)
        self._log.emit(f"{_part_event(kind)}.done", **part.position(), part=whole)

    def close(self, status: ItemStatus = "completed") -> None:
        """Closes the part and the item."""
        self.close_part()
        if self.item is not None:
            item, self.item = self.item, None
            item["status"] = status
            self._output.end(self._index)

    def leave_open(self) -> None:
        """After a failure: the item keeps its text, but gets no `done` event."""
        if self.item is not None:
            if self.part is not None:
                self._append_part(self.part)
            self.item["status"] = "incomplete"

    def _append_part(self, part: Stream) -> dict[str, Any]:
        """Appends the finished part to its item."""
        whole = output_items.part(part.kind, part.text, part.annotations, part.logprobs)
        self._output.items[part.output_index].setdefault(part.kind.holder, []).append(whole)
        return whole


def _part_event(kind: Kind) -> str:
    return "response.reasoning_summary_part" if kind is SUMMARY else "response.content_part"
