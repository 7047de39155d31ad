"""JSON that strict readers refuse and most senders' own readers take: halves of surrogate pairs, `NaN` and
`Infinity`, a byte order mark, bytes that are no UTF-8.

Python and JavaScript write the first as `"\\ud83d"` where a text was cut within a character (RFC 8259, 8.2).
Nothing of that can be written again, so what stands in its place is named. Slow, and linear: for what a
strict reader has refused.
"""

import re
from codecs import BOM_UTF8
from math import isfinite
from typing import Any

MAX_REPAIRS = 16  # that are named of one document
_LONGEST_NAME = 40  # characters of a key in a path
HALF_CHARACTER = "replaced by U+FFFD: half a character"
NOT_JSON_NUMBER = "dropped: no number of JSON"
Repair = tuple[str, str]
"""The path of a value, and what became of it."""

_LONE = re.compile("[\ud800-\udfff]")
_ENDS_HIGH = re.compile("[\ud800-\udbff]\\Z")
_BEGINS_LOW = re.compile("[\udc00-\udfff]")
# A text without its end goes to the end of all: else each quote in it would be tried in turn.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|-?Infinity|NaN', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # a half
    rb"|\\.",
    re.DOTALL,
)
_SAME_PLACE = ("type", "index", "output_index", "item_id")


class TooDeep(ValueError):
    """It nests more levels than are walked."""


def repair_document(value: Any, depth: int) -> tuple[Any, list[Repair]]:
    """A decoded value that can be written again, and what was mended in it. Raises TooDeep."""
    mender = _Mender()
    return mender.mend(value, depth), mender.repairs


def make_strict(body: bytes) -> bytes:
    """A document with the same members, in the same order, twice where they are twice, that strict readers
    take; the same bytes where nothing is to be mended. Other mistakes stay in it."""
    return _TOKEN.sub(_plain_token, body.removeprefix(BOM_UTF8))


def ends_in_half_character(value: Any) -> bool:
    """Whether some text in a decoded value ends with the first half of a character. It nests few levels."""
    if type(value) is str:
        return _ENDS_HIGH.search(value) is not None
    if type(value) is dict:
        return any(map(ends_in_half_character, value.values()))
    return type(value) is list and any(map(ends_in_half_character, value))


def join_halves(first: Any, second: Any) -> tuple[Any, Any]:
    """Two values of one stream, the second half of each character moved to where its first half is."""
    if type(first) is str and type(second) is str:
        if _ENDS_HIGH.search(first) and _BEGINS_LOW.match(second):
            whole = (first[-1] + second[0]).encode("utf-16", "surrogatepass").decode("utf-16")
            return first[:-1] + whole, second[1:]
    elif type(first) is dict and type(second) is dict:
        both_say = [name for name in _SAME_PLACE if name in first and name in second]
        if all(first[name] == second[name] for name in both_say):
            pairs = {name: join_halves(first[name], second[name]) for name in first if name in second}
            return (
                {**first, **{name: pair[0] for name, pair in pairs.items()}},
                {**second, **{name: pair[1] for name, pair in pairs.items()}},
            )
    elif type(first) is list and type(second) is list:
        both = [join_halves(*pair) for pair in zip(first, second, strict=False)]
        return (
            [*(pair[0] for pair in both), *first[len(both) :]],
            [*(pair[1] for pair in both), *second[len(both) :]],
        )
    return first, second


class _Mender:
    def __init__(self) -> None:
        self.repairs: list[Repair] = []
        self._path: list[str] = []

    def mend(self, value: Any, depth: int) -> Any:
        if type(value) is str:
            return self._text(value)
        if type(value) is float and not isfinite(value):
            self._note(NOT_JSON_NUMBER)
            return None
        if depth <= 0 and isinstance(value, list | dict):
            raise TooDeep("nested too deeply")
        if isinstance(value, list):
            return [self._inner(f"[{at}]", each, depth) for at, each in enumerate(value)]
        if isinstance(value, dict):
            return {
                self._text(name): self._inner(f".{name[:_LONGEST_NAME]}", each, depth)
                for name, each in value.items()
            }
        return value

    def _inner(self, name: str, value: Any, depth: int) -> Any:
        self._path.append(name)
        value = self.mend(value, depth - 1)
        self._path.pop()
        return value

    def _text(self, text: str) -> str:
        mended = _LONE.sub("\ufffd", text)
        if mended != text:
            self._note(HALF_CHARACTER)
        return mended

    def _note(self, effect: str) -> None:
        if len(self.repairs) < MAX_REPAIRS:
            self.repairs.append(("".join(self._path).removeprefix(".") or "key", effect))


def _plain_token(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if not token.startswith(b'"'):
        return b"null"
    return _ESCAPE.sub(_plain_escape, token) if b"\\u" in token else token


def _plain_escape(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] is None else rb"\ufffd"
