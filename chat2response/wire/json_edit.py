"""Replaces a value in the bytes of a JSON object, without changing any other byte.

A relayed body is never decoded and encoded again: that would lose its spacing, its duplicate keys and the
form of its numbers.
"""

from collections.abc import Container

from chat2response.wire.json import encode
from chat2response.wire.json_members import elements, iterate_members, last_values


def with_string(body: bytes, key: str, value: str) -> bytes:
    """`body` with the text `value` at `key`: see `with_value`."""
    return with_value(body, key, encode(value))


def with_model(body: bytes, model: str | None) -> bytes:
    """`body` with the model's name `model`; unchanged if that is None. Raises JSONError."""
    return body if model is None else with_string(body, "model", model)


def with_value(body: bytes, key: str, value: bytes) -> bytes:
    """`body`, a valid JSON object, with `value`, which is JSON, at every occurrence of `key`.

    Parsers differ in which value of a duplicate key they use, so all are replaced. Without the key nothing
    changes. Raises JSONError if `body` is not an object.
    """
    last = last_values(body)
    if key not in last:
        return body
    pieces: list[bytes] = []
    copied = 0
    for name, start, end in iterate_members(body, last):
        if name == key:
            pieces += (body[copied:start], value)
            copied = end
    return b"".join((*pieces, body[copied:]))


def without_elements(value: bytes, removed: Container[int]) -> bytes:
    """The array `value` without the elements at the indices `removed`; the others keep their bytes."""
    return b"[%b]" % b",".join(each for at, each in enumerate(elements(value)) if at not in removed)
