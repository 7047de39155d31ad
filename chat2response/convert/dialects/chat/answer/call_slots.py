"""`CallSlots`: finds the call that a tool-call entry belongs to.

The rule is `index`. Backends break it: all calls at index 0, no index, no id, a whole call in one chunk, an
id only once or on every piece, a new id with every piece. Then a new id that comes with a name separates
calls, or a name after a call that has all it needs.

A call may also come twice: under a second index with the id of the first, or with its name once more. The
second one is a `twin`: the same call, unless its arguments turn out to differ.
"""

from collections import deque
from collections.abc import Container
from typing import Any

from chat2response.convert.writer.call_arguments import CallArguments

LEGACY = -1
"""The index of a `function_call`."""


class Slot:
    """One call of a turn, or a twin of one. `number`: the position in the order of appearance."""

    __slots__ = ("alike", "arguments", "id", "indices", "name", "number", "twin")

    def __init__(self, number: int, twin: "Slot | None" = None, *, alike: bool = False) -> None:
        self.number = number
        self.id = ""
        self.name = ""
        self.arguments = CallArguments()
        self.twin = twin
        """The call that this one may repeat."""
        self.alike = alike
        """Whether equal arguments make it the same call."""
        self.indices: list[Any] = []
        """The indices that it came under."""


class CallSlots:
    """The calls of one turn."""

    __slots__ = ("_by_id", "_slots", "_without_arguments", "by_index")

    def __init__(self) -> None:
        self._without_arguments: deque[Slot] = deque()  # calls with a name, perhaps still without arguments
        self._slots: list[Slot] = []
        self.by_index: dict[Any, Slot] = {}
        """The call that an entry continues which has an index, but neither a name nor an id."""
        self._by_id: dict[str, Slot] = {}  # the first of several calls with one id

    def find(self, index: Any, call_id: str, name: str, arguments: str, taken: Container[int] = ()) -> Slot:
        """Finds the call that this entry continues or begins. The caller feeds the arguments.

        `index`: a number, or a pair for the calls of another choice; anything else means none. `taken`: the
        calls that earlier entries of the same chunk belong to, since a chunk names a call once.
        """
        if type(index) is int or type(index) is tuple:
            known = self.by_index.get(index)
            if known is not None and not name and (not call_id or call_id == known.id):
                return known  # nearly every one
            slot = self.by_index[index] = self._indexed(index, call_id, name, arguments, taken)
            if not slot.indices or slot.indices[-1] != index:
                slot.indices.append(index)
        else:
            slot = self._unindexed(call_id, name, arguments, taken)
        if call_id and not slot.id:
            slot.id = call_id
            self._by_id.setdefault(call_id, slot)
        if name and name != slot.name and not (slot.name and slot.arguments.started):
            if not slot.name:
                self._without_arguments.append(slot)
            slot.name += name
        return slot

    def _indexed(self, index: Any, call_id: str, name: str, arguments: str, taken: Container[int]) -> Slot:
        known = self.by_index.get(index)
        if known is None:
            return self._new_index(index, call_id, name, arguments)
        if name and known.number in taken:
            return self._second_name(known, call_id, name, arguments)
        if call_id and known.id and call_id != known.id:
            return self._new_id(known, call_id, name, arguments)
        return self._repeated(known, call_id, name, arguments) if _is_complete(known, name) else known

    def _new_index(self, index: Any, call_id: str, name: str, arguments: str) -> Slot:
        """An unused index: a new call, unless its id is known."""
        candidate = self._by_id.get(call_id)
        if candidate is not None and not name:
            return candidate
        if candidate is None and name:
            candidate = self._legacy(index, name)
        if candidate is not None and name == candidate.name:
            return self._new(candidate, alike=True)
        if not name and not call_id and arguments:
            self._give_up_index()
        return self._new()

    def _give_up_index(self) -> None:
        """Arguments without a call, beside calls without arguments: they come under indices of their own.

        From now on the index of the first call without arguments may belong to another call.
        """
        while self._without_arguments:
            slot = self._without_arguments.popleft()  # it has arguments, or gets these
            if not slot.arguments.started:
                for index in slot.indices:
                    if self.by_index.get(index) is slot:
                        del self.by_index[index]
                return

    def _legacy(self, index: Any, name: str) -> Slot | None:
        """The call of this name in the other form: in `function_call` and in `tool_calls`."""
        if index == LEGACY:
            return next((each for each in reversed(self._slots) if each.name == name), None)
        legacy = self.by_index.get(LEGACY)
        return legacy if legacy is not None and legacy.twin is None and legacy.name == name else None

    def _new_id(self, known: Slot, call_id: str, name: str, arguments: str) -> Slot:
        """Another id under a known index: a known call, a new one if it has a name, else the same."""
        candidate = self._by_id.get(call_id)
        if candidate is not None:
            return self._new() if name != candidate.name and _is_complete(candidate, name) else candidate
        continues = name == known.name and _continues(known, arguments)
        return self._new() if name and not continues else known

    def _unindexed(self, call_id: str, name: str, arguments: str, taken: Container[int]) -> Slot:
        candidate, last = self._by_id.get(call_id), self._slots[-1] if self._slots else None
        if candidate is None and last is not None:
            begins = name and call_id and last.id and not (name == last.name and _continues(last, arguments))
            candidate = None if begins else last  # a new id begins a call only with a name
        if candidate is None:
            return self._new()
        if name and candidate.number in taken:
            return self._second_name(candidate, call_id, name, arguments)
        if not name or not candidate.name:
            return candidate
        if _is_complete(candidate, name):
            return self._repeated(candidate, call_id, name, arguments)
        return (
            candidate if name == candidate.name or (candidate.id and candidate.id == call_id) else self._new()
        )

    def _second_name(self, known: Slot, call_id: str, name: str, arguments: str) -> Slot:
        """A second name in one chunk for the same call: another call, unless its id says otherwise."""
        return self._repeated(known, call_id, name, arguments) if call_id or known.id else self._new()

    def _repeated(self, known: Slot, call_id: str, name: str, arguments: str) -> Slot:
        """A name for a call that is already complete: the call again, or the next one."""
        same_id = bool(call_id) and call_id == known.id
        if name != known.name:
            return self._new()
        if same_id and known.arguments.empty:
            return known  # the real arguments, with everything else repeated
        if arguments.strip() and not call_id and not known.id:
            return self._new()
        if call_id and known.id and not same_id:
            return self._new()
        return self._new(known, alike=bool(call_id or known.id))

    def _new(self, twin: Slot | None = None, *, alike: bool = False) -> Slot:
        while twin is not None and twin.twin is not None:
            twin = twin.twin
        self._slots.append(Slot(len(self._slots), twin, alike=alike))
        return self._slots[-1]


def _is_complete(known: Slot, name: str) -> bool:
    """Whether a name cannot belong to this call: the call has all it needs, or has another name."""
    if not name or not known.name:
        return False
    fixed = known.arguments.started or known.twin is not None
    return known.arguments.complete or (fixed and name != known.name)


def _continues(known: Slot, arguments: str) -> bool:
    """Whether this can only continue arguments that have begun: it begins no object of its own."""
    open_ = known.arguments.started and not known.arguments.complete
    return open_ and bool(arguments) and arguments.lstrip()[:1] != "{"
