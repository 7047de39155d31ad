"""`Increments`: what is new in `reasoning_details` whose texts come whole with every delta.

MiniMax streams them in both ways: `The`, `The user` or `The`, ` user`. A text that begins with all that came
before it is cumulative, any other is not; the first that can be told apart decides for the stream.
"""

from typing import Any

from chat2response.convert.loose_values import as_index, as_objects, short_name

_TEXTS = ("text", "summary")


class Increments:
    """Finds what is new in the `reasoning_details` of one turn."""

    __slots__ = ("_cumulative", "_repeats", "_so_far")

    def __init__(self) -> None:
        self._cumulative: bool | None = None  # None: not known yet
        # By entry and field; of no use once texts are known to be new.
        self._so_far: dict[tuple[str, str, int], str] = {}
        self._repeats = ""  # a text that came again as it was: all of it once more, or the same piece

    def of(self, entries: Any) -> Any:
        """The entries of one delta, with what is new of their texts."""
        if self._cumulative is False:
            return entries
        seen: set[Any] = set()  # of one delta, each entry is a text of its own
        return [self._entry(entry, seen) for entry in as_objects(entries)]

    def _entry(self, entry: dict[str, Any], seen: set[Any]) -> dict[str, Any]:
        for field in _TEXTS:
            key, text = (field, short_name(entry.get("type")), _index(entry.get("index"))), entry.get(field)
            if type(text) is str and text and key not in seen:
                seen.add(key)
                new = self._new(key, text)
                entry = entry if new == text else {**entry, field: new}
        return entry

    def _new(self, key: tuple[str, str, int], text: str) -> str:
        before = self._so_far.get(key, "")
        if self._cumulative is False or not before:
            self._so_far[key] = text
            return text
        if text == before and self._cumulative is None:
            self._repeats += text
            return ""
        if text.startswith(before):
            self._cumulative, self._so_far[key], self._repeats = True, text, ""
            return text[len(before) :]
        if self._cumulative:  # it begins anew
            self._so_far[key] = text
            return text
        self._cumulative, held = False, self._repeats
        self._so_far.clear()
        return held + text


def _index(value: Any) -> int:
    at = as_index(value)
    return -1 if at is None else at
