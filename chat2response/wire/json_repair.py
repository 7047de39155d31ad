"""Repairs JSON that strict decoders reject but that common encoders produce: halves of surrogate pairs, `NaN`
and `Infinity`, a byte order mark, bytes that are not UTF-8.

Python and JavaScript write half a character as `"\\ud83d"` if a text was cut there (RFC 8259, 8.2). None of
this can be encoded again, so each replacement is reported. This code is slow but linear; it only runs after a
strict decoder has failed.
"""

import re
from codecs import BOM_UTF8
from math import isfinite
from typing import Any

MAX_REPAIRS = 16  # reported per document
_MAX_NAME = 40  # characters of a key in a path
HALF_CHARACTER = "replaced by U+FFFD: half a character"
NOT_JSON_NUMBER = "dropped: no number of JSON"
Repair = tuple[str, str]
"""The path of a value, and the effect of the repair."""

_LONE = re.compile("[\ud800-\udfff]")
_ENDS_HIGH = re.compile("[\ud800-\udbff]\\Z")
_BEGINS_LOW = re.compile("[\udc00-\udfff]")
# A string without an end extends to the end of the input; else every quote in it would be tried (quadratic).
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|-?Infinity|NaN', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # a half
    rb"|\\.",
    re.DOTALL,
)
_IDENTITY_KEYS = ("type", "index", "output_index", "item_id")


class TooDeep(ValueError):
    """The value nests too deeply."""


def repair_document(value: Any, depth: int) -> tuple[Any, list[Repair]]:
    """A decoded value in a form that can be encoded, and its repairs. Raises TooDeep."""
    repairer = _Repairer()
    return repairer.repair(value, depth), repairer.repairs


def make_strict(body: bytes) -> bytes:
    """The document in a form that strict decoders accept.

    Its members stay the same, with their order and duplicates. Valid JSON stays as it is; other errors too.
    """
    return _TOKEN.sub(_plain_token, body.removeprefix(BOM_UTF8))


def ends_in_half_character(value: Any) -> bool:
    """Whether a text in a decoded value ends with half a character. Recursive: limit its depth first."""
    if type(value) is str:
        return _ENDS_HIGH.search(value) is not None
    if type(value) is dict:
        return any(map(ends_in_half_character, value.values()))
    return type(value) is list and any(map(ends_in_half_character, value))


def join_halves(first: Any, second: Any) -> tuple[Any, Any]:
    """Two values of a stream, with the second half of each split character moved to its first half."""
    if type(first) is str and type(second) is str:
        if _ENDS_HIGH.search(first) and _BEGINS_LOW.match(second):
            whole = (first[-1] + second[0]).encode("utf-16", "surrogatepass").decode("utf-16")
            return first[:-1] + whole, second[1:]
    elif type(first) is dict and type(second) is dict:
        shared = [name for name in _IDENTITY_KEYS if name in first and name in second]
        if all(first[name] == second[name] for name in shared):
            pairs = {name: join_halves(first[name], second[name]) for name in first if name in second}
            return (
                {**first, **{name: pair[0] for name, pair in pairs.items()}},
                {**second, **{name: pair[1] for name, pair in pairs.items()}},
            )
    elif type(first) is list and type(second) is list:
        pairs_of_elements = [join_halves(*pair) for pair in zip(first, second, strict=False)]
        return (
            [*(pair[0] for pair in pairs_of_elements), *first[len(pairs_of_elements) :]],
            [*(pair[1] for pair in pairs_of_elements), *second[len(pairs_of_elements) :]],
        )
    return first, second


class _Repairer:
    def __init__(self) -> None:
        self.repairs: list[Repair] = []
        self._path: list[str] = []

    def repair(self, value: Any, depth: int) -> Any:
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
                self._text(name): self._inner(f".{name[:_MAX_NAME]}", each, depth)
                for name, each in value.items()
            }
        return value

    def _inner(self, name: str, value: Any, depth: int) -> Any:
        self._path.append(name)
        value = self.repair(value, depth - 1)
        self._path.pop()
        return value

    def _text(self, text: str) -> str:
        repaired = _LONE.sub("\ufffd", text)
        if repaired != text:
            self._note(HALF_CHARACTER)
        return repaired

    def _note(self, effect: str) -> None:
        if len(self.repairs) < MAX_REPAIRS:
            self.repairs.append(("".join(self._path).removeprefix(".") or "key", effect))


def _plain_token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if not token.startswith(b'"'):
        return b"null"
    return _ESCAPE.sub(_plain_escape, token) if b"\\u" in token else token


def _plain_escape(match: re.Match[bytes]) -> bytes:
    return match[0] if match[1] is None else rb"\ufffd"
