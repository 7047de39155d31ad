"""`CallEntries`: the calls of one turn, in whatever form its deltas have them, each said once.

What is not sure to be a call of its own waits: arguments that nothing named yet, and a call that repeats
another (`slots.Slot.twin`). The end of the turn decides at the latest. What has no place then is a loss, or
fails the answer: an agent that was asked for a call must not take the turn for done.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.answer.call_slots import LEGACY, CallSlots, Slot
from chat2response.convert.dialects.chat.answer.content_pieces import arguments_of
from chat2response.convert.loose_values import as_index, as_string, short_name
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.size_limit import CALL_WEIGHT
from chat2response.convert.writer.call_arguments import (
    EMPTY_OBJECT,
    TEXT_AFTER_END,
    compact_json,
    same_arguments,
)
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE, CallKind
from chat2response.convert.writer.protocol import ContentWriter
from chat2response.errors import UpstreamError
from chat2response.wire.json import is_complete_object

_Entry = dict[str, Any]

_ARGUMENTS = ("arguments", "parameters", "input", "args")  # the first is the rule
_MOST_HALVES = 16  # that are tried, of calls and of what nothing named
_OF_AN_ENTRY = ("function", "custom", "name", "type", "id", "index", *_ARGUMENTS)


class _Call:
    """One slot, on its way to the writer."""

    __slots__ = ("again", "kind", "open", "slot", "waiting")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.kind: CallKind = "function"
        self.open = False
        """The writer knows it."""
        self.again = False
        """It is whole, and was found to say what its twin says."""
        self.waiting: list[str] = []

    @property
    def nameless(self) -> bool:
        """Whether it was given something, and is no call."""
        return not self.slot.name and (self.slot.arguments.started or bool(self.waiting))

    @property
    def repeats(self) -> bool:
        """Whether it was given what its twin was; while either may go on, that is not known."""
        one, twin = self.slot.arguments, self.slot.twin
        return twin is not None and self.slot.alike and same_arguments(one.text, twin.arguments.text)


class CallEntries:
    """Reads the entries of a turn onto `writer`. Never raises on data."""

    def __init__(self, writer: ContentWriter, extra: Callable[[Any, str], None]) -> None:
        """`extra`: takes the `extra_content` of an entry, and its call's id."""
        self.said = 0
        """In characters."""
        self._writer = writer
        self._extra = extra
        self._slots = CallSlots()
        self._calls: dict[int, _Call] = {}
        self._in_deltas: Counter[tuple[str, str]] | None = (
            None  # their calls, once a message tells them again
        )

    @property
    def called(self) -> bool:
        """Whether there was a call, or a piece of one."""
        return bool(self._calls)

    def read(self, tool_calls: Any, function_call: Any, choice: int = 0) -> None:
        """Takes those of one delta. `choice`: of several that share a turn, the one that they stand in."""
        taken: set[int] = set()
        for entry in tool_calls if type(tool_calls) is list else _listed(tool_calls):
            if type(entry) is dict:
                self._entry(entry, taken, choice)
            elif entry:
                self._writer.losses.add("message.tool_calls[?]")
        if type(function_call) is dict:
            self._call(LEGACY, "", function_call, taken)
        elif function_call:
            self._writer.losses.add("message.function_call")

    def new_of(self, tool_calls: Any) -> Any:
        """Those of a message, without the ones that the deltas had and that no id tells apart."""
        if self._in_deltas is None:
            calls = self._calls.values()
            self._in_deltas = Counter(
                (call.slot.name, compact_json(call.slot.arguments.text)) for call in calls
            )
        if type(tool_calls) is not list or not self._in_deltas:
            return tool_calls
        return [entry for entry in tool_calls if not self._was_in_deltas(entry, self._in_deltas)]

    def _was_in_deltas(self, entry: Any, known: Counter[tuple[str, str]]) -> bool:
        function = entry.get("function") if type(entry) is dict and not entry.get("id") else None
        if type(function) is not dict:
            return False
        said = (as_string(function.get("name")), compact_json(_given(function, "function")))
        if not known[said]:
            return False
        known[said] -= 1
        return True

    def _entry(self, entry: _Entry, taken: set[int], choice: int) -> None:
        function, index, call_id = entry.get("function"), entry.get("index"), entry.get("id")
        if type(call_id) is not str:
            call_id = ""
        if index is not None and type(index) is not int:
            index = as_index(index)
        if choice and type(index) is int:
            index = (choice, index)
        if entry.get("extra_content"):  # a signature; the call may be announced by this very entry
            self._extra(entry["extra_content"], call_id)
        if type(function) is dict:
            self._call(index, call_id, function, taken)
        else:
            self._odd_entry(entry, index, call_id, taken)

    def _odd_entry(self, entry: _Entry, index: Any, call_id: str, taken: set[int]) -> None:
        """One of a custom tool, one that only bears an id, or one with nothing around its name."""
        function, custom = entry.get("function"), entry.get("custom")
        if type(custom) is dict:
            self._call(index, call_id, custom, taken, "custom")
        elif type(function) is str:
            self._call(index, call_id, {**entry, "name": function}, taken)
        elif "name" in entry or any(key in entry for key in _ARGUMENTS):
            kind: CallKind = "custom" if entry.get("type") == "custom" else "function"
            self._call(index, call_id, entry, taken, kind)
        elif entry.get("type") not in (None, "function"):
            self._writer.losses.add(f"message.tool_calls[{short_name(entry['type'])}]")
        elif call_id:
            self._call(index, call_id, {}, taken)

    def _call(
        self, index: Any, call_id: str, called: _Entry, taken: set[int], kind: CallKind = "function"
    ) -> None:
        name = called.get("name")
        name = name if type(name) is str else ""
        given = called.get("arguments")
        if kind != "function" or type(given) is not str or not given:
            given = _given(called, kind)
        if not (call_id or name or given):
            return
        self.said += len(given) + len(name) + len(call_id)
        slot = self._slots.find(index, call_id, name, given, taken)
        taken.add(slot.number)
        call = self._calls.get(slot.number)
        if call is None:
            call = self._calls[slot.number] = _Call(slot)
            if not name:
                self.said += CALL_WEIGHT  # the writer weighs those that it knows
        if kind == "custom":
            call.kind = kind
        self._say(call, call_id, name, given)

    def _say(self, call: _Call, call_id: str, name: str, given: str) -> None:
        slot = call.slot
        piece = slot.arguments.feed(given) if given and call.kind == "function" else given
        if call.open:
            if call_id or name:
                self._writer.call(slot.number, kind=call.kind, call_id=call_id, name=name, delta=piece)
            elif piece:
                self._writer.call(slot.number, kind=call.kind, delta=piece)
            return
        if piece:
            call.waiting.append(piece)
        if slot.name and (slot.twin is None or self._is_another(call)):
            self._open(call)

    def _is_another(self, call: _Call) -> bool:
        """Whether a twin is surely a call of its own by now."""
        slot, twin = call.slot, call.slot.twin
        assert twin is not None
        if not slot.alike:
            return bool(call.waiting)
        decided = slot.arguments.complete and twin.arguments.complete and not slot.arguments.empty
        if call.again or not decided or twin.arguments.empty:
            return False
        call.again = call.repeats  # what is whole does not change
        return not call.again

    def _open(self, call: _Call) -> None:
        call.open = True
        slot, (first, *rest) = call.slot, call.waiting or [""]
        call.waiting = []
        self._writer.call(slot.number, kind=call.kind, call_id=slot.id, name=slot.name, delta=first)
        for piece in rest:
            self._writer.call(slot.number, kind=call.kind, delta=piece)

    # -- the end -----------------------------------------------------------------------------------

    def close(self, ended: Outcome) -> Outcome:
        """Says what waited: the turn ends so. Gives the end that it comes to."""
        if ended.status == "failed" or not self._calls:
            return ended
        calls = [*self._calls.values()]
        for call in calls:
            if not call.open and call.slot.name:
                self._end_twin(call)
        unplaced = self._place([call for call in calls if call.nameless], calls)
        for call in calls:
            if call.open and call.kind == "function":
                self._end_call(call, cut=ended.status == "incomplete")
        if not unplaced:
            return ended
        self._writer.losses.add(*NAMELESS_CALL)
        alone = ended.status == "completed" and not any(call.open for call in calls)
        return failed(UpstreamError(NAMELESS_CALL_MESSAGE)) if alone else ended

    def _end_call(self, call: _Call, *, cut: bool) -> None:
        arguments = call.slot.arguments
        rest = arguments.close() if arguments.started or cut else EMPTY_OBJECT
        if rest:
            self._writer.call(call.slot.number, kind=call.kind, delta=rest)
        if arguments.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)

    def _end_twin(self, call: _Call) -> None:
        """One that no later piece told from the call it may repeat."""
        slot, twin = call.slot, call.slot.twin
        assert twin is not None
        said, known = slot.arguments, twin.arguments
        if slot.alike and said.started and (not known.started or (known.empty and not said.empty)):
            self._move(call, twin)
        elif said.started and not call.repeats and not self._cut_again(slot):
            self._open(call)
            return
        said.close()
        if said.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)

    def _cut_again(self, slot: Slot) -> bool:
        """Whether it is a repetition that breaks off, or has not got to its arguments."""
        said = slot.arguments
        begins = slot.twin is not None and slot.twin.arguments.text.startswith(said.text)
        return slot.alike and (said.empty or (not said.complete and begins))

    def _place(self, nameless: list[_Call], calls: list[_Call]) -> list[_Call]:
        """Puts arguments that nothing named where they belong: to a call that has none, or half of them.

        Gives those that have no place.
        """
        if not nameless:
            return nameless
        named = [each.slot for each in calls if each.open and each.kind == "function"]
        bare = deque(slot for slot in named if not slot.arguments.started)
        halves = [slot for slot in named if slot.arguments.started and not slot.arguments.complete][
            :_MOST_HALVES
        ]
        unplaced = []
        for call in nameless:
            given = call.slot.arguments
            if not given.started:  # the input of a custom tool
                unplaced.append(call)
            elif bare:
                self._move(call, bare.popleft())
            elif half := self._half(given.text, halves):
                halves.remove(half)
                self._move(call, half)
            else:
                unplaced.append(call)
                halves = halves if len(unplaced) < _MOST_HALVES else []
        return unplaced

    def _half(self, rest: str, halves: list[Slot]) -> Slot | None:
        """The call whose arguments end with this."""
        return next((slot for slot in halves if is_complete_object(slot.arguments.text + rest)), None)

    def _move(self, call: _Call, to: Slot) -> None:
        """The arguments of one slot become another's."""
        given = call.slot.arguments
        given.close()
        if given.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)
        piece = to.arguments.feed(given.text)
        self._writer.call(to.number, delta=piece)


def _listed(tool_calls: Any) -> list[Any]:
    """What stands in place of a list: one entry, or entries by their index."""
    if type(tool_calls) is not dict:
        return [tool_calls]
    single = any(key in tool_calls for key in _OF_AN_ENTRY)
    return [tool_calls] if single else [*tool_calls.values()]


def _given(called: _Entry, kind: CallKind) -> str:
    keys = _ARGUMENTS if kind == "function" else ("input", *_ARGUMENTS)
    return next((given for key in keys if (given := arguments_of(called.get(key)))), "")
