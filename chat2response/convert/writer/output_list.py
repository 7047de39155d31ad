"""`OutputList` adds items to the `output` of a response."""

from typing import Any

from chat2response.convert.writer.event_log import EventLog
from chat2response.convert.writer.output_items import ItemDict
from chat2response.wire.ids import Ids


class OutputList:
    """The items of a response, open or finished. Each has an id of its own, and an index: its place here."""

    __slots__ = ("_call_ids", "_ids", "_item_ids", "_log", "items")

    def __init__(self, items: list[ItemDict], log: EventLog, ids: Ids) -> None:
        self.items = items
        self._log = log
        self._ids = ids
        self._item_ids: set[str] = set()  # upstreams repeat ids
        self._call_ids: set[str] = set()

    def new_id(self, prefix: str, upstream_id: Any) -> str:
        """The upstream's id, if it sent one that no other item has; else a new one."""
        used = self._call_ids if prefix == "call" else self._item_ids
        usable = type(upstream_id) is str and upstream_id and upstream_id not in used
        new_id: str = upstream_id if usable else self._ids(prefix)
        used.add(new_id)
        return new_id

    def add(self, item: ItemDict) -> int:
        """Appends an item and emits its `added` event. Returns its index."""
        index = len(self.items)
        self.items.append(item)
        snapshot = {key: [] if value == [] else value for key, value in item.items()}  # they will be filled
        self._log.emit("response.output_item.added", output_index=index, item=snapshot)
        return index

    def end(self, index: int) -> None:
        """Emits the `done` event of an item."""
        self._log.emit("response.output_item.done", output_index=index, item=self.items[index])
