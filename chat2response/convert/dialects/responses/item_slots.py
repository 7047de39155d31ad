"""Which call does an event belong to?

The rule is `output_index`. Some servers give several calls the same one; others change an item's id, its
`call_id`, or both, from event to event, and in the terminal response. So a `call_id` that was announced
decides, then the item's id, then the index, then what is called, and with what: a call is said once.
"""

from collections.abc import Iterator
from typing import Any, Literal

from chat2response.convert.writer.call_arguments import CallArguments, compact_json, same_arguments

Stage = Literal["added", "done", "terminal"]
"""Where an item stands: as it begins, as it ends, or among the response's output."""


class ItemSlot:
    """One call of a turn. `number`: as they appear."""

    __slots__ = (
        "announced", "arguments", "call_id", "done", "hint", "matched", "name", "number", "pieces",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.call_id = ""
        self.name = ""
        self.announced = ""
        """The arguments that stood in its item when it began."""
        self.hint = ""
        """What an event about its arguments called it."""
        self.arguments = CallArguments()
        self.pieces: list[str] = []
        """What it was given, as it came."""
        self.done = False
        self.matched = False
        """An item of the terminal response is this call."""

    @property
    def said(self) -> str:
        """All that it was given so far; joined once, however often it is asked for."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def is_called(self, name: str) -> bool:
        """Whether it may bear this name."""
        return not name or not self.name or name == self.name


class ItemSlots:
    """The calls of one turn."""

    __slots__ = ("_by_call", "_by_id", "_by_index", "_left", "_slots")

    def __init__(self) -> None:
        self._slots: list[ItemSlot] = []
        self._by_id: dict[str, ItemSlot] = {}
        self._by_call: dict[str, ItemSlot] = {}
        self._by_index: dict[int, ItemSlot] = {}
        self._left: dict[tuple[str, str], list[ItemSlot]] | None = None

    def __iter__(self) -> Iterator[ItemSlot]:
        return iter(self._slots)

    def of_delta(self, index: int, item_id: Any) -> ItemSlot:
        """The call that a delta continues; a delta may come before its item."""
        slot = self._by_id.get(item_id) if type(item_id) is str else None
        if slot is None:
            slot = self._by_index.get(index)
        return self._new(index) if slot is None else slot

    def of_item(
        self, index: int, item_id: Any, call_id: str, name: str, given: str, stage: Stage = "done"
    ) -> ItemSlot:
        """The call that an item is. `given`: its arguments, or its input."""
        known = item_id if type(item_id) is str else ""
        slot = self._find(index, known, call_id, name, given, stage) or self._new(index)
        if call_id:
            self._by_call[call_id] = slot
            slot.call_id = slot.call_id or call_id
        if known:
            self._by_id[known] = slot
        slot.name = slot.name or name
        slot.done = slot.done or stage != "added"
        slot.matched = stage == "terminal"
        return slot

    def _find(
        self, index: int, item_id: str, call_id: str, name: str, given: str, stage: Stage
    ) -> ItemSlot | None:
        met = self._by_call.get(call_id) if call_id else None
        if met is not None and not met.matched and met.is_called(name):
            return met
        own = self._by_id.get(item_id) if item_id else None
        for slot in (own, self._by_index.get(index)):
            if slot is None or slot.matched or not slot.is_called(name):
                continue
            if not call_id or not slot.call_id:
                return slot
            again = (slot is own or stage == "terminal") and same_arguments(slot.said, given)
            if stage != "added" and (not slot.done or again):
                return slot  # under another call_id
        if stage != "terminal":
            return None
        left = self._left_over().get((name, compact_json(given)), ())
        return next((slot for slot in left if not slot.matched), None)

    def _left_over(self) -> dict[tuple[str, str], list[ItemSlot]]:
        """What was streamed, by what is called and with what: made once, as the terminal response comes."""
        if self._left is None:
            self._left = {}
            for slot in self._slots:
                self._left.setdefault((slot.name, compact_json(slot.said)), []).append(slot)
        return self._left

    def _new(self, index: int) -> ItemSlot:
        slot = self._by_index[index] = ItemSlot(len(self._slots))
        self._slots.append(slot)
        return slot
