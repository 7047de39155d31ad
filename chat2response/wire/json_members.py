"""Iterates over the members of a JSON object without decoding their values.

A decoder hides duplicate keys. Code that forwards bytes must see them, because parsers differ in which value
of a duplicate key they use.
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
    """The undecoded value of each key; the last one of a duplicate key. Raises JSONError if `body` is not an
    object."""
    return {name: bytes(raw) for name, raw in _object(body).items()}


def elements(value: bytes) -> list[bytes]:
    """The undecoded elements of an array; none for any other value."""
    try:
        return [bytes(raw) for raw in _array(value)]
    except JSONError:
        return []


def iterate_members(body: bytes, last: dict[str, bytes]) -> Iterator[tuple[str, int, int]]:
    """Yields for each member its key, and the start and end of its value. `last`: `last_values(body)`."""
    opening = _OPENING.match(body)
    at = opening.end() if opening else 0
    skip: Callable[[int], int] | None = None  # created at most once, because it copies the body
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
    """The first key of `names` that occurs twice; None if there is none. `last`: `last_values(body)`."""
    seen = set()
    for name, _, _ in iterate_members(body, last):
        if name in seen:
            return name
        if name in names:
            seen.add(name)
    return None


def _end_of(body: bytes, start: int, likely: bytes) -> int | None:
    """The end of the value that begins at `start`; None for a container other than `likely`, its key's last
    value.

    Strings, arrays and objects are self-delimiting: a value that starts with all of `likely` ends with it.
    """
    if likely[0] in b'"[{' and body.startswith(likely, start):
        return start + len(likely)
    plain = _PLAIN.match(body, start)
    return plain.end() if plain else None
