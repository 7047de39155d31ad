"""Filters what follows the end of a relayed stream (law 1, one terminal event)."""

import re
from codecs import BOM_UTF8

from chat2response.wire import sse

_SEARCH_LENGTH = 48  # bytes of the end to search for; a longer search costs more
_ANY_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class StreamEndFilter:
    """Takes whole frames, from the terminal event on. Passes comments, and one `[DONE]` after that event."""

    def __init__(self) -> None:
        self._ended = False
        self._done = False

    def pass_on(self, frames: bytes, end: bytes) -> bytes:
        """The frames without late events. `end`: the payload of the event that ends the stream."""
        start = 0 if self._ended else _start_of_block(frames, end)  # frames before the end pass unread
        passed = [frames[:start]]
        for block, blank in _blocks(frames[start:]):
            if self._passes(block, end):
                passed += (block, blank)
        return b"".join(passed)

    def _passes(self, block: bytes, end: bytes) -> bool:
        data = sse.payload(block.removeprefix(BOM_UTF8))
        if data is None:
            return True
        if not self._ended:
            self._ended = data == end
            self._done = self._ended and data == sse.DONE
            return True
        first, self._done = not self._done, self._done or data == sse.DONE
        return first and data == sse.DONE


def _blocks(frames: bytes) -> list[tuple[bytes, bytes]]:
    """Each event with the blank line after it; the last event may lack one."""
    if b"\r" not in frames:  # a regex would scan the whole of an end that repeats the answer
        *whole, last = frames.split(b"\n\n")
        return [*((block, b"\n\n") for block in whole), (last, b"")]
    blocks, start = [], 0
    for blank in _ANY_BLANK.finditer(frames):
        blocks.append((frames[start : blank.start()], blank[0]))
        start = blank.end()
    return [*blocks, (frames[start:], b"")]


def _start_of_block(frames: bytes, end: bytes) -> int:
    """The start of the block that may contain the end; 0 (the first block) if the search fails."""
    position = frames.find(end[:_SEARCH_LENGTH])
    if position <= 0:
        return 0
    start = _after_blank(b"\n\n", frames, position)
    return max(start, _after_blank(b"\r\n\r\n", frames, position)) if b"\r" in frames else start


def _after_blank(blank: bytes, frames: bytes, position: int) -> int:
    index = frames.rfind(blank, 0, position)
    return index + len(blank) if index >= 0 else 0
