"""The members of a JSON object as they are written, one by one; values are skipped, not built.

A decoder forgets that a key was there twice. Who passes bytes on must know: parsers differ in which of the
two they take.
"""

import re
from collections.abc import Callable, Container, Iterator

from chat2response.wire.json import JSONError, Raw, decode, decoder, value_end_finder

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING = re.compile(rb"[ \t\r\n]*+\{")
_MEMBER = re.compile(rb"[ \t\r\n,]*+(%b)[ \t\r\n]*+:[ \t\r\n]*+" % _STRING, re.DOTALL)
_PLAIN = re.compile(rb"%b|[^ \t\r\n,\]}\[{]++" % _STRING, re.DOTALL)

_object = decoder(dict[str, Raw])
_array = decoder(list[Raw])


def last_values(body: bytes) -> dict[str, bytes]:
    """The value of each key, unread; of a key that is there twice, the last. Raises JSONError for what is no
    object."""
    return {name: bytes(raw) for name, raw in _object(body).items()}


def elements(value: bytes) -> list[bytes]:
    """The elements of an array, unread; none of what is no array."""
    try:
        return [bytes(raw) for raw in _array(value)]
    except JSONError:
        return []


def iterate_members(body: bytes, last: dict[str, bytes]) -> Iterator[tuple[str, int, int]]:
    """Of each member in turn: its key, and where its value begins and ends. `last`: `last_values(body)`."""
    opening = _OPENING.match(body)
    at = opening.end() if opening else 0
    skip: Callable[[int], int] | None = None  # made once: it copies the body
    while member := _MEMBER.match(body, at):
        written, start = member[1], member.end()
        name = decode(written) if b"\\" in written else written[1:-1].decode()
        end = _end_of(body, start, last[name])
        if end is None:
            skip = skip or value_end_finder(body)
            end = skip(start)
        at = end
        yield name, start, at


def first_repeated_key(body: bytes, last: dict[str, bytes], names: Container[str]) -> str | None:
    """The first of these keys that is there twice. `last`: `last_values(body)`."""
    seen = set()
    for name, _, _ in iterate_members(body, last):
        if name in seen:
            return name
        if name in names:
            seen.add(name)
    return None


def _end_of(body: bytes, start: int, likely: bytes) -> int | None:
    """Where the value that begins at `start` ends; None for an array or object that is not `likely`, the last
    value of its key.

    A string, an array or an object says itself where it ends: what begins with the whole of one, is it.
    """
    if likely[0] in b'"[{' and body.startswith(likely, start):
        return start + len(likely)
    plain = _PLAIN.match(body, start)
    return plain.end() if plain else None
