"""Limits the memory of one answer: estimates it from the length of its texts and the number of its objects.

A million empty items need as much memory as a long text. The weights are the sizes of the objects in bytes,
rounded up; a few small things are counted twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chat2response.errors import UpstreamError

MAX_OUTPUT = 32 * 1024 * 1024
"""The default limit of one converted answer, in bytes (CHAT2RESPONSE_MAX_OUTPUT_BYTES)."""
ITEM_WEIGHT = 1024
"""An item, or a part of one, with its ids and table entries."""
CALL_WEIGHT = 32 * 1024
"""A call. It is expensive because it is examined whenever something else begins."""
EVENT_WEIGHT = 256
"""The most that an event adds to a reader's tables."""
_VALUE = 64


def weigh(value: Any) -> int:
    """The weight of a JSON value: the length of its texts, plus a fixed weight for each value."""
    total, pending = 0, [value]
    while pending:
        each = pending.pop()
        total += _VALUE
        if each is None or each is True or each is False:
            continue
        kind = type(each)
        if kind is str:
            total += len(each)
        elif kind is dict or isinstance(each, Mapping):
            total += sum(map(len, each))
            pending.extend(each.values())
        elif kind is list or isinstance(each, Sequence):
            pending.extend(each)
    return total


def text_length(entries: Any) -> int:
    """The total length of the texts in a list of flat objects."""
    return sum(map(_texts, entries)) if isinstance(entries, Iterable) else 0


def _texts(entry: Any) -> int:
    return sum(len(each) for each in entry.values() if type(each) is str) if type(entry) is dict else 0


def weigh_json(body: bytes, max_containers: int) -> int:
    """The weight of an answer that is not decoded yet: its length, plus a fixed weight for each container.

    Brackets inside texts count too, but at most `max_containers`, the known limit of its objects and arrays.
    """
    brackets = body.count(b"{") + body.count(b"[")
    return len(body) + min(brackets, max_containers) * _VALUE


def check_json_weight(body: bytes, max_containers: int, limit: int) -> None:
    """Raises UpstreamError if an answer exceeds the limit, before it is decoded."""
    if len(body) * (1 + _VALUE) > limit:  # a shorter one fits even if it consists of brackets alone
        check_weight(weigh_json(body, max_containers), limit)


def check_weight(weight: int, limit: int) -> None:
    """Raises UpstreamError if an answer exceeds the limit."""
    if weight > limit:
        raise UpstreamError(
            f"The answer exceeds the gateway's limit of {limit} bytes. Request less output, or ask the "
            "operator to raise CHAT2RESPONSE_MAX_OUTPUT_BYTES.",
            code="output_too_large",
        )
