"""How much of an answer is kept: the characters of its texts, and a fair size for each thing in it.

An answer of a million empty items is as large to us as one of many words. The sizes are those of the objects,
rounded up; what is counted twice is small.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chat2response.errors import UpstreamError

MAX_OUTPUT = 32 * 1024 * 1024
"""Bytes that are kept of one converted answer, where the operator says nothing."""
ITEM_WEIGHT = 1024
"""An item, or a part of one, with its ids and its place in the tables."""
CALL_WEIGHT = 32 * 1024
"""A call: it is looked at whenever another thing begins, and no answer has a thousand."""
EVENT_WEIGHT = 256
"""What an event leaves in a reader's tables at most."""
_VALUE = 64


def weigh(value: Any) -> int:
    """A JSON value: its texts, and so much for each value in it."""
    total, rest = 0, [value]
    while rest:
        each = rest.pop()
        total += _VALUE
        if each is None or each is True or each is False:
            continue
        kind = type(each)
        if kind is str:
            total += len(each)
        elif kind is dict or isinstance(each, Mapping):
            total += sum(map(len, each))
            rest.extend(each.values())
        elif kind is list or isinstance(each, Sequence):
            rest.extend(each)
    return total


def text_length(entries: Any) -> int:
    """The characters of the texts in a list of flat objects; their other values go on in each delta."""
    return sum(map(_texts, entries)) if isinstance(entries, Iterable) else 0


def _texts(entry: Any) -> int:
    return sum(len(each) for each in entry.values() if type(each) is str) if type(entry) is dict else 0


def weigh_json(body: bytes, most_containers: int) -> int:
    """A whole answer that is not decoded yet: its bytes, and so much for each object and array in it.

    Brackets in its texts count as well, up to `most_containers`: it is known to have no more objects.
    """
    brackets = body.count(b"{") + body.count(b"[")
    return len(body) + min(brackets, most_containers) * _VALUE


def check_weight(weight: int, most: int) -> None:
    """Raises UpstreamError for an answer that is larger than what is kept of one."""
    if weight > most:
        raise UpstreamError(
            f"The answer is larger than the {most} bytes that the gateway keeps of one. Ask for less output, "
            "or have the operator raise CHAT2RESPONSE_MAX_OUTPUT_BYTES.",
            code="output_too_large",
        )
