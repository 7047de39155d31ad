"""Which call does an event belong to?

The rule is `output_index`. Some servers give several calls the same one; others change an item's id from
event to event. So an item id that was announced decides, then the `call_id`, then the index.
"""

from typing import Any


class ItemSlots:
    """The function calls of one turn, numbered as they appear."""

    __slots__ = ("_by_call", "_by_id", "_by_index", "_count", "_named")

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._by_call: dict[str, int] = {}
        self._by_index: dict[int, int] = {}
        self._named: set[int] = set()  # those whose call_id is known
        self._count = 0

    def of_delta(self, index: int, item_id: Any) -> int:
        """The call that a delta continues; a delta may come before its item."""
        slot = self._by_id.get(item_id) if type(item_id) is str else None
        if slot is None:
            slot = self._by_index.get(index)
        return self._new(index) if slot is None else slot

    def of_item(self, index: int, item_id: Any, call_id: str) -> int:
        """The call that an item is, in `added`, `done` or the terminal response."""
        name = item_id if type(item_id) is str else ""
        slot = self._by_call.get(call_id) if call_id else self._by_id.get(name)
        if slot is None:
            slot = self._by_index.get(index)
            if slot is None or (call_id and slot in self._named):
                slot = self._new(index)
        if call_id:
            self._by_call[call_id] = slot
            self._named.add(slot)
        if name:
            self._by_id[name] = slot
        return slot

    def _new(self, index: int) -> int:
        slot = self._by_index[index] = self._count
        self._count += 1
        return slot
