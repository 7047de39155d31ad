"""`ItemSlots`: finds the call that an event of a Responses stream belongs to.

The rule is `output_index`. Some servers send several calls under the same one; others change an item's id,
its `call_id`, or both from event to event, and in the terminal response. So an announced `call_id` decides
first, then the item's id, then the index, then the name and the arguments. Each call is written once.
"""

from collections.abc import Iterator
from typing import Any, Literal

from chat2response.convert.loose_values import as_index
from chat2response.convert.writer.call_arguments import CallArguments, compact_json, same_arguments

Stage = Literal["added", "done", "terminal"]
"""Where an item comes from: its beginning, its end, or the output of the terminal response."""


class ItemSlot:
    """One call of a turn. `number`: the position in the order of appearance."""

    __slots__ = (
        "arguments", "call_id", "done", "hinted_name", "initial_text", "matched", "name", "number", "pieces",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.call_id = ""
        self.name = ""
        self.initial_text = ""
        """The arguments in its item when it began."""
        self.hinted_name = ""
        """The name in an event about its arguments."""
        self.arguments = CallArguments()
        self.pieces: list[str] = []
        """The call's arguments or input, in the pieces that the stream brought."""
        self.done = False
        self.matched = False
        """Whether an item of the terminal response is this call."""

    @property
    def text(self) -> str:
        """The arguments or the input so far; joins the pieces only once."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def may_be_named(self, name: str) -> bool:
        """Whether it may have this name."""
        return not name or not self.name or name == self.name


class ItemSlots:
    """The calls of one turn."""

    __slots__ = ("_by_call_id", "_by_id", "_by_index", "_slots", "_streamed")

    def __init__(self) -> None:
        self._slots: list[ItemSlot] = []
        self._by_id: dict[str, ItemSlot] = {}
        self._by_call_id: dict[str, ItemSlot] = {}
        self._by_index: dict[int, ItemSlot] = {}
        self._streamed: dict[tuple[str, str], list[ItemSlot]] | None = None

    def __iter__(self) -> Iterator[ItemSlot]:
        return iter(self._slots)

    def find_by_delta(self, index: Any, item_id: Any) -> ItemSlot:
        """The call that a delta continues; a delta may come before its item."""
        slot = self._by_id.get(item_id) if type(item_id) is str else None
        if slot is None:
            index = as_index(index) or 0
            slot = self._by_index.get(index)
        return self._new(index) if slot is None else slot

    def find_by_item(
        self, index: int, item_id: Any, call_id: str, name: str, text: str, stage: Stage = "done"
    ) -> ItemSlot:
        """The call that an item is. `text`: its arguments, or its input."""
        known_id = item_id if type(item_id) is str else ""
        slot = self._find(index, known_id, call_id, name, text, stage) or self._new(index)
        if call_id:
            self._by_call_id[call_id] = slot
            slot.call_id = slot.call_id or call_id
        if known_id:
            self._by_id[known_id] = slot
        slot.name = slot.name or name
        slot.done = slot.done or stage != "added"
        slot.matched = stage == "terminal"
        return slot

    def _find(
        self, index: int, item_id: str, call_id: str, name: str, text: str, stage: Stage
    ) -> ItemSlot | None:
        by_call_id = self._by_call_id.get(call_id) if call_id else None
        if by_call_id is not None and not by_call_id.matched and by_call_id.may_be_named(name):
            return by_call_id
        by_item_id = self._by_id.get(item_id) if item_id else None
        for slot in (by_item_id, self._by_index.get(index)):
            if slot is None or slot.matched or not slot.may_be_named(name):
                continue
            if not call_id or not slot.call_id:
                return slot
            again = (slot is by_item_id or stage == "terminal") and same_arguments(slot.text, text)
            if stage != "added" and (not slot.done or again):
                return slot  # under another call_id
        if stage != "terminal":
            return None
        candidates = self._streamed_calls().get((name, compact_json(text)), ())
        return next((slot for slot in candidates if not slot.matched), None)

    def _streamed_calls(self) -> dict[tuple[str, str], list[ItemSlot]]:
        """The streamed calls by name and arguments; built once, when the terminal response comes."""
        if self._streamed is None:
            self._streamed = {}
            for slot in self._slots:
                self._streamed.setdefault((slot.name, compact_json(slot.text)), []).append(slot)
        return self._streamed

    def _new(self, index: int) -> ItemSlot:
        slot = self._by_index[index] = ItemSlot(len(self._slots))
        self._slots.append(slot)
        return slot
