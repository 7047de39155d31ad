"""One value of a JSON object exchanged in its bytes; every other byte stays as it is.

What is relayed is never decoded and written again: that would lose its spacing, its duplicate keys and the
form of its numbers.
"""

from collections.abc import Container

from chat2response.wire.json import encode
from chat2response.wire.json_members import elements, iterate_members, last_values


def with_string(body: bytes, key: str, value: str) -> bytes:
    """`with_value` of a text."""
    return with_value(body, key, encode(value))


def with_value(body: bytes, key: str, value: bytes) -> bytes:
    """`body`, a valid JSON object, with `value`, which is JSON, at `key`, at each place where it is: of a key
    that is there twice, parsers differ in which they take. Without the key nothing changes. Raises JSONError
    for what is no object.
    """
    last = last_values(body)
    if key not in last:
        return body
    pieces: list[bytes] = []
    kept = 0
    for name, start, end in iterate_members(body, last):
        if name == key:
            pieces += (body[kept:start], value)
            kept = end
    return b"".join((*pieces, body[kept:]))


def without_elements(value: bytes, left_out: Container[int]) -> bytes:
    """`value`, an array, without the elements at these places; the others keep their bytes."""
    return b"[%b]" % b",".join(each for at, each in enumerate(elements(value)) if at not in left_out)
