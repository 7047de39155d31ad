"""What of a relayed stream still passes once it has had its end: one end, says law 1, whatever follows it."""

import re
from codecs import BOM_UTF8

from chat2response.wire import sse

_BLANKS = (b"\n\n", b"\r\n\r\n")
_ANY_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class LastWords:
    """Fed whole frames, from those on that hold the end. Comments pass, and behind an event one `[DONE]`."""

    def __init__(self) -> None:
        self._over = False
        self._done = False

    def pass_on(self, frames: bytes, end: bytes) -> bytes:
        """The frames without what comes too late; `end`: the payload of the event that ends the stream."""
        start = 0 if self._over else _block_of(frames, end)  # what is before the end passes, unread
        passed = [frames[:start]]
        for blank in _ANY_BLANK.finditer(frames, start):
            if self._passes(frames[start : blank.start()], end):
                passed.append(frames[start : blank.end()])
            start = blank.end()
        if self._passes(frames[start:], end):
            passed.append(frames[start:])
        return b"".join(passed)

    def _passes(self, block: bytes, end: bytes) -> bool:
        data = sse.payload(block.removeprefix(BOM_UTF8))
        if data is None:
            return True
        if not self._over:
            self._over = data == end
            self._done = self._over and data == sse.DONE
            return True
        first, self._done = not self._done, self._done or data == sse.DONE
        return first and data == sse.DONE


def _block_of(frames: bytes, end: bytes) -> int:
    """Where the block begins that may hold the end; 0, the first, where a search does not find it."""
    at = frames.find(end)
    if at <= 0:
        return 0
    ends = (found + len(each) for each in _BLANKS if (found := frames.rfind(each, 0, at)) >= 0)
    return max(ends, default=0)
