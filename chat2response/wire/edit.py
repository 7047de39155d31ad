"""One value of a JSON object exchanged in its bytes; every other byte stays as it is.

What is relayed is never decoded and written again: that would lose its spacing, its duplicate keys and the
form of its numbers.
"""

from chat2response.wire.json import encode
from chat2response.wire.members import last_values, walk


def with_member(body: bytes, key: str, value: str) -> bytes:
    """`body`, a valid JSON object, with `value` at `key`, at each place where it is: of a key that is there
    twice, parsers differ in which they take. Without the key nothing changes. Raises JSONError for what is no
    object.
    """
    last = last_values(body)
    if key not in last:
        return body
    pieces: list[bytes] = []
    kept, given = 0, encode(value)
    for name, start, end in walk(body, last):
        if name == key:
            pieces += (body[kept:start], given)
            kept = end
    return b"".join((*pieces, body[kept:]))
