"""Which call does a tool-call entry belong to?

The rule is `index`. Backends break it: all calls at index 0, no index, no id, a whole call in one chunk,
an id only once or on every piece, a new id with every piece. What tells calls apart then is a new id that
comes with a name, or a name where the call before has all it needs.

A call may also be said twice: under a second index with the id of the first, or with its name once more. What
comes of that is a `twin`: the same call, unless it turns out to be given something else.
"""

from collections import deque
from collections.abc import Container
from typing import Any

from chat2response.convert.writer.call_arguments import CallArguments

LEGACY = -1
"""The index of a `function_call`."""


class Slot:
    """One call of a turn, or a twin of one. `number`: as they appear."""

    __slots__ = ("alike", "arguments", "id", "name", "number", "places", "twin")

    def __init__(self, number: int, twin: "Slot | None" = None, *, alike: bool = False) -> None:
        self.number = number
        self.id = ""
        self.name = ""
        self.arguments = CallArguments()
        self.twin = twin
        """The call that this one may be said to repeat."""
        self.alike = alike
        """It is the same one if it is given the same."""
        self.places: list[Any] = []
        """The indices that it was said under."""


class CallSlots:
    """The calls of one turn."""

    __slots__ = ("_bare", "_by_id", "_by_index", "_slots")

    def __init__(self) -> None:
        self._bare: deque[Slot] = deque()  # named ones, which may have no arguments yet
        self._slots: list[Slot] = []
        self._by_index: dict[Any, Slot] = {}
        self._by_id: dict[str, Slot] = {}  # of several calls with one id the first

    def find(self, index: Any, call_id: str, name: str, arguments: str, taken: Container[int] = ()) -> Slot:
        """The call that this entry continues or begins; its arguments are for the caller to feed.

        `index`: a number, or of another choice's calls a pair; anything else is none. `taken`: the calls that
        earlier entries of the same chunk belong to; a chunk names a call once.
        """
        if type(index) is int or type(index) is tuple:
            known = self._by_index.get(index)
            if known is not None and not name and (not call_id or call_id == known.id):
                return known  # nearly every one
            slot = self._by_index[index] = self._indexed(index, call_id, name, arguments, taken)
            if not slot.places or slot.places[-1] != index:
                slot.places.append(index)
        else:
            slot = self._unindexed(call_id, name, arguments, taken)
        if call_id and not slot.id:
            slot.id = call_id
            self._by_id.setdefault(call_id, slot)
        if name and name != slot.name and not (slot.name and slot.arguments.started):
            if not slot.name:
                self._bare.append(slot)
            slot.name += name
        return slot

    def _indexed(self, index: Any, call_id: str, name: str, given: str, taken: Container[int]) -> Slot:
        known = self._by_index.get(index)
        if known is None:
            return self._first(index, call_id, name, given)
        if name and known.number in taken:
            return self._beside(known, call_id, name, given)
        if call_id and known.id and call_id != known.id:
            return self._renamed(known, call_id, name, given)
        return self._once_more(known, call_id, name, given) if _is_over(known, name) else known

    def _first(self, index: Any, call_id: str, name: str, given: str) -> Slot:
        """An index that nothing was said under yet: a new call, unless its id was."""
        met = self._by_id.get(call_id)
        if met is not None and not name:
            return met
        if met is None and name:
            met = self._legacy(index, name)
        if met is not None and name == met.name:
            return self._new(met, alike=True)
        if not name and not call_id and given:
            self._claim()
        return self._new()

    def _claim(self) -> None:
        """Arguments without a call, beside calls without arguments: these come under indices of their own.

        So what comes under the index of the first such call is another's from now on.
        """
        while self._bare:
            slot = self._bare.popleft()  # it has arguments, or is given them now
            if not slot.arguments.started:
                for index in slot.places:
                    if self._by_index.get(index) is slot:
                        del self._by_index[index]
                return

    def _legacy(self, index: Any, name: str) -> Slot | None:
        """The call of this name that is said in the other form: in `function_call` and in `tool_calls`."""
        if index == LEGACY:
            return next((each for each in reversed(self._slots) if each.name == name), None)
        legacy = self._by_index.get(LEGACY)
        return legacy if legacy is not None and legacy.twin is None and legacy.name == name else None

    def _renamed(self, known: Slot, call_id: str, name: str, given: str) -> Slot:
        """Another id under a known index: a call met before, a new one if it is named, else the same."""
        met = self._by_id.get(call_id)
        if met is not None:
            return self._new() if name != met.name and _is_over(met, name) else met
        goes_on = name == known.name and _goes_on(known, given)
        return self._new() if name and not goes_on else known

    def _unindexed(self, call_id: str, name: str, given: str, taken: Container[int]) -> Slot:
        met, last = self._by_id.get(call_id), self._slots[-1] if self._slots else None
        if met is None and last is not None:
            begins = name and call_id and last.id and not (name == last.name and _goes_on(last, given))
            met = None if begins else last  # only a named call begins with a new id; else the id came late
        if met is None:
            return self._new()
        if name and met.number in taken:
            return self._beside(met, call_id, name, given)
        if not name or not met.name:
            return met
        if _is_over(met, name):
            return self._once_more(met, call_id, name, given)
        return met if name == met.name or (met.id and met.id == call_id) else self._new()

    def _beside(self, known: Slot, call_id: str, name: str, given: str) -> Slot:
        """A second name in one chunk for the same place: another call, unless its id says otherwise."""
        return self._once_more(known, call_id, name, given) if call_id or known.id else self._new()

    def _once_more(self, known: Slot, call_id: str, name: str, given: str) -> Slot:
        """A name for a call that has one, and all else it needs: the call again, or the next one."""
        same_id = bool(call_id) and call_id == known.id
        if name != known.name:
            return self._new()
        if same_id and known.arguments.empty:
            return known  # the real arguments, with everything else once more
        if given.strip() and not call_id and not known.id:
            return self._new()
        if call_id and known.id and not same_id:
            return self._new()
        return self._new(known, alike=bool(call_id or known.id))

    def _new(self, twin: Slot | None = None, *, alike: bool = False) -> Slot:
        while twin is not None and twin.twin is not None:
            twin = twin.twin
        self._slots.append(Slot(len(self._slots), twin, alike=alike))
        return self._slots[-1]


def _is_over(known: Slot, name: str) -> bool:
    """Whether a name is no part of this call's own: it has all it needs, or is called something else."""
    if not name or not known.name:
        return False
    settled = known.arguments.started or known.twin is not None
    return known.arguments.complete or (settled and name != known.name)


def _goes_on(known: Slot, given: str) -> bool:
    """Whether this can only be more of arguments that have begun: it begins no object of its own."""
    open_ = known.arguments.started and not known.arguments.complete
    return open_ and bool(given) and given.lstrip()[:1] != "{"
