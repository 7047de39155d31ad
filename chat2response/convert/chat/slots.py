"""Which call does a tool-call delta belong to?

The rule is `index`. Backends break it: all calls at index 0, no index, no id, a whole call in one chunk,
an id only once or on every piece. What tells calls apart then is a new id, or a name where the call before
has all it needs.
"""

from typing import Any

from chat2response.wire.json import is_complete_object


class _Slot:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    @property
    def complete(self) -> bool:
        return is_complete_object("".join(self.arguments))


class CallSlots:
    """The calls of one turn, numbered as they appear."""

    __slots__ = ("_by_index", "_slots")

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._by_index: dict[int, int] = {}

    def find(self, index: Any, call_id: str, name: str, arguments: str) -> int:
        """The number of the call that this delta continues or begins."""
        if type(index) is int:
            number = self._indexed(index, call_id, name)
        else:
            number = self._unindexed(call_id, name)
        slot = self._slots[number]
        slot.id = slot.id or call_id
        slot.name = slot.name or name
        if arguments:
            slot.arguments.append(arguments)
        return number

    def _indexed(self, index: int, call_id: str, name: str) -> int:
        known = self._by_index.get(index)
        if known is None or self._is_another(self._slots[known], call_id, name):
            same_id = self._with_id(call_id) if known is not None else None
            known = self._by_index[index] = self._new() if same_id is None else same_id
        return known

    def _unindexed(self, call_id: str, name: str) -> int:
        if call_id:
            known = self._with_id(call_id)
            if known is not None:
                return known
        if not self._slots or self._begins(self._slots[-1], call_id, name):
            return self._new()
        return len(self._slots) - 1

    @staticmethod
    def _is_another(slot: _Slot, call_id: str, name: str) -> bool:
        """A second call under a known index: named, and with an id of its own or after a whole one."""
        if not name:
            return False
        if call_id and slot.id:
            return call_id != slot.id
        return bool(slot.name) and slot.complete

    @staticmethod
    def _begins(slot: _Slot, call_id: str, name: str) -> bool:
        return bool((call_id and slot.id) or (name and slot.name))

    def _with_id(self, call_id: str) -> int | None:
        return next((n for n, slot in enumerate(self._slots) if call_id and slot.id == call_id), None)

    def _new(self) -> int:
        self._slots.append(_Slot())
        return len(self._slots) - 1
