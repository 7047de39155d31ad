"""Which call does a tool-call delta belong to?

The rule is `index`. Backends break it: all calls at index 0, no index, no id, a whole call in one chunk,
an id only once or on every piece, a new id with every piece. What tells calls apart then is a new id that
comes with a name, or a name where the call before has all it needs.
"""

from collections.abc import Container
from typing import Any

from chat2response.wire.json import is_complete_object, may_end_object


class _Slot:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    @property
    def complete(self) -> bool:
        return may_end_object(self.arguments) and is_complete_object("".join(self.arguments))


class CallSlots:
    """The calls of one turn, numbered as they appear."""

    __slots__ = ("_by_id", "_by_index", "_slots")

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}  # of several calls with one id the first

    def find(self, index: Any, call_id: str, name: str, arguments: str, taken: Container[int] = ()) -> int:
        """The number of the call that this entry continues or begins.

        `taken`: the calls that earlier entries of the same chunk belong to; a chunk names a call once.
        """
        if type(index) is int:
            number = self._indexed(index, call_id, name, taken)
        else:
            number = self._unindexed(call_id, name, arguments, taken)
        slot = self._slots[number]
        if call_id and not slot.id:
            slot.id = call_id
            self._by_id[call_id] = min(number, self._by_id.get(call_id, number))
        slot.name = slot.name or name
        if arguments:
            slot.arguments.append(arguments)
        return number

    def _indexed(self, index: int, call_id: str, name: str, taken: Container[int]) -> int:
        known = self._by_index.get(index)
        if known is None or (name and known in taken):
            known = self._new()
        else:
            slot = self._slots[known]
            if call_id and slot.id and call_id != slot.id:
                known = self._renamed(known, call_id, name)
            elif name and slot.name and not (call_id and slot.id) and slot.complete:
                known = self._new()
        self._by_index[index] = known
        return known

    def _renamed(self, known: int, call_id: str, name: str) -> int:
        """Another id under a known index: a call met before, a new one if it is named, else the same."""
        met = self._by_id.get(call_id)
        if met is not None:
            return met
        return self._new() if name else known

    def _unindexed(self, call_id: str, name: str, arguments: str, taken: Container[int]) -> int:
        met = self._by_id.get(call_id)
        if met is None and self._slots and not (name and call_id and self._slots[-1].id):
            met = len(self._slots) - 1  # only a named call begins with a new id; else the id came late
        if met is None or (name and met in taken):
            return self._new()
        slot = self._slots[met]
        if not name or not slot.name:
            return met
        if slot.id and slot.id == call_id:  # said with every piece, or one id that all calls are given
            return self._new() if arguments and slot.complete else met
        return met if name == slot.name and not slot.complete else self._new()

    def _new(self) -> int:
        self._slots.append(_Slot())
        return len(self._slots) - 1
