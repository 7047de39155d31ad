"""Hides the usage chunk of a Chat stream from a client that did not request it."""

import re

from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode_leniently

_ANY_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


def without_usage(frames: bytes) -> bytes:
    """Removes the chunk that contains only usage; all other frames keep their bytes."""
    if b'"usage"' not in frames:
        return frames
    passed: list[bytes] = []
    start = 0
    for blank in _ANY_BLANK.finditer(frames):
        if not _only_counts(frames[start : blank.start()]):
            passed.append(frames[start : blank.end()])
        start = blank.end()
    passed.append(frames[start:])
    return b"".join(passed)


def _only_counts(block: bytes) -> bool:
    data = sse.payload(block)
    if data is None or b'"usage"' not in data:
        return False
    try:
        chunk = decode_leniently(data)
    except JSONError:
        return False
    return type(chunk) is dict and chunk.get("choices") == [] and type(chunk.get("usage")) is dict
