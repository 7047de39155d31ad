"""One value of a JSON object exchanged in its bytes; every other byte stays as it is.

What is relayed is never decoded and written again: that would lose its spacing, its duplicate keys and the
form of its numbers. The object's members are walked; what nests in them is skipped by its brackets.
"""

import re

from chat2response.wire.json import JSONError, decode, encode

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING = re.compile(rb"[ \t\r\n]*+\{")
_MEMBER = re.compile(rb"[ \t\r\n,]*+(%b)[ \t\r\n]*+:[ \t\r\n]*+" % _STRING, re.DOTALL)
_PLAIN = re.compile(rb"%b|[^ \t\r\n,\]}]++" % _STRING, re.DOTALL)
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|%b)*+([{}\[\]])' % _STRING, re.DOTALL)


def with_member(body: bytes, key: str, value: str) -> bytes:
    """`body`, a valid JSON object, with `value` at `key`. Of a key that is there twice the last counts, as it
    does for parsers; without the key nothing changes.
    """
    span = _value_of(body, key)
    return body if span is None else b"%b%b%b" % (body[: span[0]], encode(value), body[span[1] :])


def _value_of(body: bytes, key: str) -> tuple[int, int] | None:
    """From where to where the last value of `key` stands."""
    found = None
    plain = encode(key)
    opening = _OPENING.match(body)
    at = opening.end() if opening else len(body)
    while member := _MEMBER.match(body, at):
        start, at = member.end(), _end_of(body, member.end())
        if member[1] == plain or (b"\\" in member[1] and _text(member[1]) == key):
            found = start, at
    return found


def _end_of(body: bytes, start: int) -> int:
    """Where the value that begins at `start` ends."""
    if body[start : start + 1] not in (b"{", b"["):
        plain = _PLAIN.match(body, start)
        return plain.end() if plain else len(body)
    depth = 0
    for bracket in _TO_BRACKET.finditer(body, start):
        depth += 1 if bracket[1] in b"{[" else -1
        if not depth:
            return bracket.end()
    return len(body)


def _text(string: bytes) -> str | None:
    try:
        return str(decode(string))
    except JSONError:
        return None
