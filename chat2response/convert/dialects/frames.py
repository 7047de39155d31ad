"""Reads the frames of a relayed stream, for the taps of every dialect."""

from codecs import BOM_UTF8
from typing import Any

from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode_leniently


def payloads_of(frames: bytes) -> list[bytes]:
    """The payloads of any frames, including the first, which may start with a byte order mark."""
    return sse.payloads(frames.removeprefix(BOM_UTF8))


def object_in(data: bytes) -> dict[str, Any]:
    """The object in a payload; empty if there is none."""
    try:
        value = decode_leniently(data)  # leniently, as clients do: the added end must fit what they have read
    except JSONError:
        return {}
    return value if type(value) is dict else {}
