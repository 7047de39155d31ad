"""One value of a JSON object exchanged in its bytes; every other byte stays as it is.

What is relayed is never decoded and written again: that would lose its spacing, its duplicate keys and the
form of its numbers. The object's members are walked, key by key; values are skipped, not built.
"""

import re

from chat2response.wire.json import Raw, decode, decoder, encode, end_of_value

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING = re.compile(rb"[ \t\r\n]*+\{")
_MEMBER = re.compile(rb"[ \t\r\n,]*+(%b)[ \t\r\n]*+:[ \t\r\n]*+" % _STRING, re.DOTALL)
_PLAIN = re.compile(rb"%b|[^ \t\r\n,\]}\[{]++" % _STRING, re.DOTALL)

_members = decoder(dict[str, Raw])


def with_member(body: bytes, key: str, value: str) -> bytes:
    """`body`, a valid JSON object, with `value` at `key`. Of a key that is there twice the last counts, as it
    does for parsers; without the key nothing changes. Raises JSONError for what is no object.
    """
    last = {name: bytes(raw) for name, raw in _members(body).items()}
    if key not in last:
        return body
    start, end = _value_of(body, key, last)
    return b"%b%b%b" % (body[:start], encode(value), body[end:])


def _value_of(body: bytes, key: str, last: dict[str, bytes]) -> tuple[int, int]:
    """From where to where the last value of `key` stands; `last`: that of each key."""
    found = (0, 0)
    opening = _OPENING.match(body)
    at = opening.end() if opening else 0
    while member := _MEMBER.match(body, at):
        written, start = member[1], member.end()
        name = decode(written) if b"\\" in written else written[1:-1].decode()
        at = _end_of(body, start, last[name])
        if name == key:
            found = start, at
    return found


def _end_of(body: bytes, start: int, likely: bytes) -> int:
    """Where the value that begins at `start` ends. `likely`: the last value of its key.

    A string, an array or an object says itself where it ends: what begins with the whole of one, is it.
    """
    if likely[0] in b'"[{' and body.startswith(likely, start):
        return start + len(likely)
    plain = _PLAIN.match(body, start)
    return plain.end() if plain else end_of_value(body, start)
