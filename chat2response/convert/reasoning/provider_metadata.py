"""`ProviderMetadata`: what a backend sends beside the text of its reasoning, and expects back unchanged.

OpenRouter's `reasoning_details`, LiteLLM's `thinking_blocks`, Gemini's `extra_content` on a call or a
message: texts with signatures, encrypted data. The gateway does not interpret any of it. It collects the
pieces from the deltas, seals them into the reasoning item, and writes them on the same assistant message of
the next request's history.
"""

from collections.abc import Mapping
from typing import Any, Literal

from chat2response.convert.loose_values import as_objects
from chat2response.convert.quirks.quirks import CarriedField as Kind
from chat2response.wire.json import too_deep

Structure = Literal["reasoning_details", "thinking_blocks"]
"""A field with entries of text and signatures, instead of plain text."""
_Object = dict[str, Any]

_GROWING = ("text", "summary", "thinking", "data")  # a later delta of the same entry continues these


class ProviderMetadata:
    """The metadata of one assistant message."""

    __slots__ = ("_blocks", "_calls", "_details", "_kinds", "_message")

    def __init__(self, kinds: frozenset[Kind] = frozenset()) -> None:
        self._kinds = kinds
        self._clear()

    def _clear(self) -> None:
        self._details: list[_Object] = []
        self._blocks: list[_Object] = []
        self._calls: _Object = {}
        self._message: Any = None

    def __bool__(self) -> bool:
        return bool(self._details or self._blocks or self._calls or self._message)

    # -- from an answer ----------------------------------------------------------------------------

    def add(self, name: Structure, entries: Any) -> bool:
        """Adds the entries of a delta; False if this backend does not want them back."""
        if name not in self._kinds or too_deep(entries):
            return False
        (self._grow_details if name == "reasoning_details" else self._grow_blocks)(entries)
        return True

    def add_extra(self, extra: Any, call_id: str | None) -> bool:
        """Adds an `extra_content`, of a call or (None) the message itself; False if it is not wanted back."""
        if "extra_content" not in self._kinds or too_deep(extra):
            return False
        if call_id is None:
            self._message = extra
        else:
            self._calls[call_id] = extra
        return True

    def _grow_details(self, value: Any) -> None:
        """An entry continues the one of the same type and index in an earlier delta."""
        before = list(self._details)
        for entry in as_objects(value):
            _extend(self._details, _same(before, entry), entry)

    def _grow_blocks(self, value: Any) -> None:
        """A thinking block continues in the next delta until it is signed."""
        last = self._blocks[-1] if self._blocks else {}
        unsigned = last.get("type") == "thinking" and not last.get("signature")
        for number, entry in enumerate(as_objects(value)):
            continues = number == 0 and unsigned and entry.get("type") == "thinking"
            _extend(self._blocks, last if continues else None, entry)

    def take(self) -> _Object:
        """Returns everything collected so far as a JSON object, and starts anew."""
        taken = {
            "details": _joined(self._details),
            "blocks": _joined(self._blocks),
            "calls": self._calls,
            "message": self._message,
        }
        self._clear()
        return {name: value for name, value in taken.items() if value}

    # -- into the history --------------------------------------------------------------------------

    def join(self, taken: Mapping[str, Any], *, more: bool) -> None:
        """Adds what `take` returned. `more`: it continues what was joined before."""
        for name, own, grow in (
            ("details", self._details, self._grow_details),
            ("blocks", self._blocks, self._grow_blocks),
        ):
            if more:
                grow(taken.get(name))
            else:
                own.extend(map(dict, as_objects(taken.get(name))))
        self._calls.update(taken.get("calls") or {})
        self._message = taken.get("message") or self._message

    def put(self, message: _Object, calls: list[_Object], *, reasoning: bool) -> None:
        """Writes it on an assistant message and its calls; without `reasoning` only the signatures."""
        if reasoning and self._details:
            message["reasoning_details"] = _joined(self._details)
        if reasoning and self._blocks:
            message["thinking_blocks"] = _joined(self._blocks)
        if self._message:
            message["extra_content"] = self._message
        without_id = self._calls.get("")  # some versions send no ids; then the first call is the signed one
        for call in calls:
            extra = self._calls.get(call["id"]) or without_id
            if extra is not None:
                call["extra_content"] = extra
                without_id = None

    @property
    def has_text(self) -> bool:
        """Whether it contains the reasoning's text, so that a text field beside it would repeat it."""
        return bool(self._details or self._blocks)


def _same(before: list[_Object], entry: _Object) -> _Object | None:
    """The entry of an earlier delta that `entry` continues."""
    key = (entry.get("type"), entry.get("index"))
    if key[1] is None:
        before = before[-1:]
    return next((each for each in reversed(before) if (each.get("type"), each.get("index")) == key), None)


def _extend(entries: list[_Object], known: _Object | None, entry: _Object) -> None:
    if known is None:
        entries.append(dict(entry))
        return
    for name, value in entry.items():
        if value is None:
            continue
        old = known.get(name)
        if name not in _GROWING or type(value) is not str:
            known[name] = value
        elif type(old) is _Pieces:
            old.append(value)
        else:
            known[name] = _Pieces((old, value)) if type(old) is str else value


class _Pieces(list[str]):
    """The pieces of a growing text: joining them at each delta would copy the text each time."""


def _joined(entries: list[_Object]) -> list[_Object]:
    """Joins the texts of the entries, in place."""
    for entry in entries:
        for name, value in entry.items():
            if type(value) is _Pieces:
                entry[name] = "".join(value)
    return entries
