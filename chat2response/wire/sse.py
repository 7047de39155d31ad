"""Server-sent events, framed over bytes (WHATWG HTML, "Server-sent events", 9.2.6).

Lines end in LF, CR or CRLF, whatever the sender mixes; an event ends at a blank line; a BOM may lead.
Splitting is done on bytes and only whole events are handed on, so a UTF-8 character cut between two
reads is never seen in halves, and U+2028 inside a text is a character like any other.
"""

import re

from chat2response.wire.machine import Fault

MAX_FRAME = 16 * 1024 * 1024  # bytes held while an event is unfinished
DONE = b"[DONE]"  # the payload that ends an OpenAI stream
DONE_FRAME = b"data: [DONE]\n\n"

_BOM = b"\xef\xbb\xbf"
# Atomic groups: the CRLF of one line end must not be taken apart to serve as two.
_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LOOK_BACK = 3  # a blank line is at most four bytes: three of them may have been there already


class FrameTooLarge(Exception):
    """An event grew past the bound without ending."""


class FrameCut:
    """Lets bytes through untouched up to the end of the last complete event; keeps the rest."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes that may be passed on now. Raises FrameTooLarge."""
        rest = self._rest
        buffer = rest + data if rest else data
        end = _last_end(buffer, max(0, len(rest) - _LOOK_BACK))
        if len(buffer) - end > self._limit:
            raise FrameTooLarge
        self._rest = buffer[end:]
        return buffer[:end]

    @property
    def rest(self) -> bytes:
        """The unfinished event."""
        return self._rest


class Frames:
    """A Machine from bytes to event payloads (the joined `data` lines); comments and names are left out."""

    __slots__ = ("_cut", "_fresh", "done", "overrun")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._cut = FrameCut(limit)
        self._fresh = True
        self.done = False
        self.overrun = False
        """An event outgrew the bound: what came before it was handed on, the rest is not read."""

    def feed(self, data: bytes, /) -> list[bytes]:
        """The payloads of the events that `data` completes, in order."""
        if self.overrun:
            return []
        try:
            whole = self._cut.feed(data)
        except FrameTooLarge:
            self.overrun = True
            return self._overrun(data)
        if not whole:
            return []
        if self._fresh:
            self._fresh = False
            whole = whole.removeprefix(_BOM)
        return payloads(whole)

    def close(self, fault: Fault | None = None, /) -> list[bytes]:
        """At a clean end, the last event even where its blank line is missing; after a fault, nothing."""
        if fault is not None or self.overrun:
            return []
        rest = self._cut.rest
        return payloads(rest.removeprefix(_BOM) if self._fresh else rest)

    def _overrun(self, data: bytes) -> list[bytes]:
        held = self._cut.rest + data
        return payloads(held[: _last_end(held, 0)])


def payloads(whole: bytes) -> list[bytes]:
    """The payload of each event in bytes that hold whole events only."""
    blocks = _BLANK.split(whole) if b"\r" in whole else whole.split(b"\n\n")
    return [data for block in blocks if block and (data := payload(block)) is not None]


def payload(block: bytes) -> bytes | None:
    """The joined data lines of one event; None where it has none (a comment, a lone name)."""
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return block[6:]  # nearly every event of a Chat stream
    lines = [line[5:].removeprefix(b" ") for line in block.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def _last_end(buffer: bytes, start: int) -> int:
    """Where the last complete event ends; 0 if none does. Looks from `start` on."""
    if b"\r" not in buffer:
        at = buffer.rfind(b"\n\n", start)
        return at + 2 if at >= 0 else 0
    end = 0
    for match in _BLANK.finditer(buffer, start):
        end = match.end()
    return end
