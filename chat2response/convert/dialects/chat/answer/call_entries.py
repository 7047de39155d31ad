"""`CallEntries`: writes the calls of one turn, each once, whatever the form of its deltas.

Some entries may belong to no call of their own and wait: arguments without a name, and a call that repeats
another (`call_slots.Slot.twin`). The end of the turn decides at the latest. What belongs to no call then is a
loss, or fails the answer: an agent that waits for a call must not take the turn for complete.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.answer.call_slots import LEGACY, CallSlots, Slot
from chat2response.convert.loose_values import arguments_of, as_index, as_string, short_name
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.size_limit import CALL_WEIGHT
from chat2response.convert.writer.call_arguments import (
    EMPTY_OBJECT,
    TEXT_AFTER_END,
    compact_json,
    same_arguments,
)
from chat2response.convert.writer.call_builder import NAMELESS_CALL, NAMELESS_CALL_MESSAGE
from chat2response.convert.writer.call_delta import CallDelta, CallKind
from chat2response.convert.writer.protocol import ContentWriter
from chat2response.errors import UpstreamError
from chat2response.wire.json import is_complete_object

_Entry = dict[str, Any]

_ARGUMENTS = ("arguments", "parameters", "input", "args")  # the first is the standard name
_MAX_HALVES = 16  # how many incomplete calls, and how many unnamed arguments, are tried
_ENTRY_KEYS = ("function", "custom", "name", "type", "id", "index", *_ARGUMENTS)


class _Call:
    """A slot on its way to the writer."""

    __slots__ = ("again", "kind", "open", "slot", "waiting")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.kind: CallKind = "function"
        self.open = False
        """Whether the writer knows the call."""
        self.again = False
        """Whether it is whole and repeats its twin."""
        self.waiting: list[str] = []

    @property
    def nameless(self) -> bool:
        """Whether it has arguments, but no name."""
        return not self.slot.name and (self.slot.arguments.started or bool(self.waiting))

    @property
    def repeats(self) -> bool:
        """Whether its arguments are its twin's; unknown while either may continue."""
        arguments, twin = self.slot.arguments, self.slot.twin
        return twin is not None and self.slot.alike and same_arguments(arguments.text, twin.arguments.text)


class CallEntries:
    """Reads the entries of a turn and writes calls to `writer`. Never raises on data."""

    def __init__(self, writer: ContentWriter, extra: Callable[[Any, str], None]) -> None:
        """`extra`: receives the `extra_content` of an entry, and its call's id."""
        self.output_chars = 0
        """The size of all entries."""
        self._writer = writer
        self._extra = extra
        self._slots = CallSlots()
        self._calls: dict[int, _Call] = {}
        self._in_deltas: Counter[tuple[str, str]] | None = None  # set once a message may repeat calls

    @property
    def has_calls(self) -> bool:
        """Whether there was a call, or a piece of one."""
        return bool(self._calls)

    def read(self, tool_calls: Any, function_call: Any, choice: int = 0) -> None:
        """Reads the entries of one delta. `choice`: the choice they stand in, if several share the turn."""
        touched: set[int] = set()
        for entry in tool_calls if type(tool_calls) is list else _as_list(tool_calls):
            if type(entry) is dict:
                self._read_entry(entry, touched, choice)
            elif entry:
                self._writer.losses.add("message.tool_calls[?]")
        if type(function_call) is dict:
            self._read_call(LEGACY, "", function_call, touched)
        elif function_call:
            self._writer.losses.add("message.function_call")

    def without_repeats(self, tool_calls: Any) -> Any:
        """The calls of a message, without those that the deltas had and that no id distinguishes."""
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
        key = (as_string(function.get("name")), compact_json(_call_arguments(function, "function")))
        if not known[key]:
            return False
        known[key] -= 1
        return True

    def _read_entry(self, entry: _Entry, taken: set[int], choice: int) -> None:
        function, index, call_id = entry.get("function"), entry.get("index"), entry.get("id")
        if type(call_id) is not str:
            call_id = ""
        if index is not None and type(index) is not int:
            index = as_index(index)
        if choice and type(index) is int:
            index = (choice, index)
        if entry.get("extra_content"):  # a signature; this entry may be the first of its call
            self._extra(entry["extra_content"], call_id)
        if type(function) is dict:
            self._read_call(index, call_id, function, taken)
        else:
            self._read_odd_entry(entry, index, call_id, taken)

    def _read_odd_entry(self, entry: _Entry, index: Any, call_id: str, taken: set[int]) -> None:
        """Reads an entry of a custom tool, one with only an id, or one without an object around its name."""
        function, custom = entry.get("function"), entry.get("custom")
        if type(custom) is dict:
            self._read_call(index, call_id, custom, taken, "custom")
        elif type(function) is str:
            self._read_call(index, call_id, {**entry, "name": function}, taken)
        elif "name" in entry or any(key in entry for key in _ARGUMENTS):
            kind: CallKind = "custom" if entry.get("type") == "custom" else "function"
            self._read_call(index, call_id, entry, taken, kind)
        elif entry.get("type") not in (None, "function"):
            self._writer.losses.add(f"message.tool_calls[{short_name(entry['type'])}]")
        elif call_id:
            self._read_call(index, call_id, {}, taken)

    def _read_call(
        self, index: Any, call_id: str, function: _Entry, taken: set[int], kind: CallKind = "function"
    ) -> None:
        arguments = function.get("arguments")
        if not call_id and arguments and type(arguments) is str and not function.get("name"):
            slot = self._slots.by_index.get(index)
            call = None if slot is None else self._calls.get(slot.number)
            if slot is not None and call is not None and call.open and call.kind == kind == "function":
                taken.add(slot.number)
                self.output_chars += len(arguments)
                piece = slot.arguments.feed(arguments)
                if piece:
                    self._writer.call(CallDelta(slot.number, delta=piece))
                return  # nearly every entry
        self._find_call(index, call_id, function, taken, kind)

    def _find_call(self, index: Any, call_id: str, function: _Entry, taken: set[int], kind: CallKind) -> None:
        """Reads an entry that may begin a call, or continue it in another form."""
        name = as_string(function.get("name"))
        arguments = function.get("arguments")
        if kind != "function" or type(arguments) is not str or not arguments:
            arguments = _call_arguments(function, kind)
        if not (call_id or name or arguments):
            return
        self.output_chars += len(arguments) + len(name) + len(call_id)
        slot = self._slots.find(index, call_id, name, arguments, taken)
        taken.add(slot.number)
        call = self._calls.get(slot.number)
        if call is None:
            call = self._calls[slot.number] = _Call(slot)
            if not name:
                self.output_chars += CALL_WEIGHT  # the writer counts the calls that it knows
        if kind == "custom":
            call.kind = kind
        self._write(call, call_id, name, arguments)

    def _write(self, call: _Call, call_id: str, name: str, arguments: str) -> None:
        slot = call.slot
        piece = slot.arguments.feed(arguments) if arguments and call.kind == "function" else arguments
        if call.open:
            if call_id or name:
                self._writer.call(
                    CallDelta(slot.number, kind=call.kind, call_id=call_id, name=name, delta=piece)
                )
            elif piece:
                self._writer.call(CallDelta(slot.number, kind=call.kind, delta=piece))
            return
        if piece:
            call.waiting.append(piece)
        if slot.name and (slot.twin is None or self._is_another(call)):
            self._open_call(call)

    def _is_another(self, call: _Call) -> bool:
        """Whether a twin is certainly a call of its own by now."""
        slot, twin = call.slot, call.slot.twin
        assert twin is not None
        if not slot.alike:
            return bool(call.waiting)
        decided = slot.arguments.complete and twin.arguments.complete and not slot.arguments.empty
        if call.again or not decided or twin.arguments.empty:
            return False
        call.again = call.repeats  # whole arguments do not change
        return not call.again

    def _open_call(self, call: _Call) -> None:
        call.open = True
        slot, (first, *remainder) = call.slot, call.waiting or [""]
        call.waiting = []
        self._writer.call(
            CallDelta(slot.number, kind=call.kind, call_id=slot.id, name=slot.name, delta=first)
        )
        for piece in remainder:
            self._writer.call(CallDelta(slot.number, kind=call.kind, delta=piece))

    # -- the end -----------------------------------------------------------------------------------

    def close(self, ending: Outcome) -> Outcome:
        """Writes what waited, as the turn ends with `ending`; returns the outcome that results."""
        if ending.status == "failed" or not self._calls:
            return ending
        calls = [*self._calls.values()]
        for call in calls:
            if not call.open and call.slot.name:
                self._end_twin(call)
        unplaced = self._place_nameless([call for call in calls if call.nameless], calls)
        for call in calls:
            if call.open and call.kind == "function":
                self._end_call(call, cut=ending.status == "incomplete")
        if not unplaced:
            return ending
        self._writer.losses.add(*NAMELESS_CALL)
        alone = ending.status == "completed" and not any(call.open for call in calls)
        return failed(UpstreamError(NAMELESS_CALL_MESSAGE)) if alone else ending

    def _end_call(self, call: _Call, *, cut: bool) -> None:
        arguments = call.slot.arguments
        remainder = arguments.close() if arguments.started or cut else EMPTY_OBJECT
        if remainder:
            self._writer.call(CallDelta(call.slot.number, kind=call.kind, delta=remainder))
        if arguments.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)

    def _end_twin(self, call: _Call) -> None:
        """Decides about a twin that no later piece distinguished from its call."""
        slot, twin = call.slot, call.slot.twin
        assert twin is not None
        arguments, known = slot.arguments, twin.arguments
        if slot.alike and arguments.started and (not known.started or (known.empty and not arguments.empty)):
            self._move_arguments(call, twin)
        elif arguments.started and not call.repeats and not self._is_partial_repeat(slot):
            self._open_call(call)
            return
        arguments.close()
        if arguments.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)

    def _is_partial_repeat(self, slot: Slot) -> bool:
        """Whether it is a repetition that stops early, or before its arguments."""
        arguments = slot.arguments
        begins = slot.twin is not None and slot.twin.arguments.text.startswith(arguments.text)
        return slot.alike and (arguments.empty or (not arguments.complete and begins))

    def _place_nameless(self, nameless: list[_Call], calls: list[_Call]) -> list[_Call]:
        """Adds arguments without a name to a call that has none, or only their first half.

        Returns the entries that belong to no call.
        """
        if not nameless:
            return nameless
        named = [each.slot for each in calls if each.open and each.kind == "function"]
        empty = deque(slot for slot in named if not slot.arguments.started)
        halves = [slot for slot in named if slot.arguments.started and not slot.arguments.complete][
            :_MAX_HALVES
        ]
        unplaced = []
        for call in nameless:
            arguments = call.slot.arguments
            if not arguments.started:  # the input of a custom tool
                unplaced.append(call)
            elif empty:
                self._move_arguments(call, empty.popleft())
            elif half := self._find_half(arguments.text, halves):
                halves.remove(half)
                self._move_arguments(call, half)
            else:
                unplaced.append(call)
                halves = halves if len(unplaced) < _MAX_HALVES else []
        return unplaced

    def _find_half(self, remainder: str, halves: list[Slot]) -> Slot | None:
        """The call whose arguments this completes."""
        return next((slot for slot in halves if is_complete_object(slot.arguments.text + remainder)), None)

    def _move_arguments(self, call: _Call, to: Slot) -> None:
        """Adds the arguments of one slot to another."""
        arguments = call.slot.arguments
        arguments.close()
        if arguments.has_extra_text:
            self._writer.losses.add(*TEXT_AFTER_END)
        piece = to.arguments.feed(arguments.text)
        self._writer.call(CallDelta(to.number, delta=piece))


def _as_list(tool_calls: Any) -> list[Any]:
    """The entries of a value that is no list: one entry, or entries by their index."""
    if type(tool_calls) is not dict:
        return [tool_calls]
    single = any(key in tool_calls for key in _ENTRY_KEYS)
    return [tool_calls] if single else [*tool_calls.values()]


def _call_arguments(function: _Entry, kind: CallKind) -> str:
    keys = _ARGUMENTS if kind == "function" else ("input", *_ARGUMENTS)
    return next((text for key in keys if (text := arguments_of(function.get(key)))), "")
