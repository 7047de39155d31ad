"""`OtherItems` writes output items that are neither content nor a client's call (of hosted tools, say)."""

from collections.abc import Hashable, Mapping
from typing import Any

from chat2response.convert.writer import output_items
from chat2response.convert.writer.event_log import EventLog
from chat2response.convert.writer.output_items import ItemDict
from chat2response.convert.writer.output_list import OutputList


class OtherItems:
    """Items that arrive whole, or (with a slot) their beginning, their own events, and then the whole."""

    __slots__ = ("_log", "_open", "_output")

    def __init__(self, output: OutputList, log: EventLog) -> None:
        self._open: dict[Hashable, int] = {}  # slot -> output_index
        self._output = output
        self._log = log

    def is_open(self, slot: Hashable) -> bool:
        return slot in self._open

    def begin(self, item: ItemDict, slot: Hashable) -> None:
        prefix = output_items.id_prefix(item["type"])
        copy = {**item, "id": self._output.new_id(prefix, item.get("id"))}
        if "call_id" in item and output_items.makes_call(item["type"]):
            copy["call_id"] = self._output.new_id("call", item["call_id"])
        self._open[slot] = self._output.add(copy)

    def end(self, item: ItemDict, slot: Hashable) -> None:
        """Ends an open item with all its fields. Its ids stay."""
        index = self._open.pop(slot)
        fields = {key: value for key, value in item.items() if key not in ("id", "call_id")}
        self._output.items[index].update(fields)
        self._output.end(index)

    def write_event(self, slot: Hashable, event_type: str, fields: Mapping[str, Any]) -> None:
        """Emits an event of an open item."""
        index = self._open.get(slot)
        if index is not None:
            self._log.emit(event_type, item_id=self._output.items[index]["id"], output_index=index, **fields)

    def end_turn(self, *, cut: bool) -> None:
        """Ends the items that the reader never ended."""
        for slot in list(self._open):
            self.end({"status": "incomplete" if cut else "completed"}, slot)
