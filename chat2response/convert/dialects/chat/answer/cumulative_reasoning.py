"""`CumulativeReasoning`: finds the new part of `reasoning_details` that repeat their whole text each time.

MiniMax streams in both ways: `The`, `The user` or `The`, ` user`. A text that begins with everything before
it is cumulative, any other is not; the first text that shows the difference decides for the whole stream.
"""

from typing import Any

from chat2response.convert.loose_values import as_index, as_objects, short_name

_TEXTS = ("text", "summary")


class CumulativeReasoning:
    """The `reasoning_details` of one turn."""

    __slots__ = ("_cumulative", "_repeats", "_so_far")

    def __init__(self) -> None:
        self._cumulative: bool | None = None  # None: not known yet
        # By entry and field; not needed any more once the texts are known to be increments.
        self._so_far: dict[tuple[str, str, int], str] = {}
        self._repeats = ""  # texts that came twice: the cumulative text so far, or the same piece again

    def increments(self, entries: Any) -> Any:
        """The entries of one delta, their texts reduced to what is new."""
        if self._cumulative is False:
            return entries
        seen: set[Any] = set()  # within one delta, each entry is a text of its own
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
        if self._cumulative:  # a new text begins
            self._so_far[key] = text
            return text
        self._cumulative, repeats = False, self._repeats
        self._so_far.clear()
        return repeats + text


def _index(value: Any) -> int:
    index = as_index(value)
    return -1 if index is None else index
