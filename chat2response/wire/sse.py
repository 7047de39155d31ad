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
KEEP_ALIVE = b": keep-alive\n\n"  # a comment: stands between any two events, and says nothing

_BOM = b"\xef\xbb\xbf"
# Atomic groups: the CRLF of one line end must not be taken apart to serve as two.
_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
# The first line of an event's data. It begins with a literal, which is what makes the search fast.
_DATA = re.compile(rb"data(?<![^\r\n]data)(?=[:\r\n]|\Z)")
_LONGEST_SIGN = 64  # bytes
_LOOK_BACK = 3  # a blank line is at most four bytes: three of them may have been there already
_LINE_ENDS = b"\r\n"


# What says that an event is an error: its name, or a field of that name in place of its data.
_ERROR = re.compile(rb"(?:^|[\r\n])(?:event:[ ]?error[ ]*(?=[\r\n]|\Z)|error:)")
_LONGER, _PLAIN = 14, 2  # nearly every event is two lines: a name, longer than these, and its data
_ERROR_NAMES = (b"event: error", b"event:error")


_TYPE = b'{"type":'
_TYPED, _LAST = b'"response.', 100  # a type that is among the last keys

# Signs of life that some servers write as data; sse-starlette's are the time.
_KEEP_ALIVE = re.compile(
    rb"[\s:.*_-]*(?:(?:ping|pong|keep[-_ ]?alive|heart[-_ ]?beat|no[-_ ]?op|hb|processing|waiting"
    rb"|openrouter processing)[\s:.*_-]*|(?:ping[\s:-]+)?\d{4}-\d\d-\d\d[T ][\d:.+Z -]*)?",
    re.IGNORECASE,
)


def is_keep_alive(payload: bytes) -> bool:
    """Whether data that is no JSON is a sign of life (`ping`), and no part of an answer."""
    return len(payload) <= _LONGEST_SIGN and _KEEP_ALIVE.fullmatch(payload) is not None


class ErrorPayload(bytes):
    """The payload of an event that is named `error`: whatever it says, it is no part of an answer."""


class NamedPayload(bytes):
    """The payload of an event that has a name, and does not say its type where most do: `name` may be it."""

    name = ""


class FrameTooLarge(Exception):
    """An event is larger than the bound; it may not have ended yet."""


class FrameSplitter:
    """Lets bytes through untouched up to the end of the last complete event; keeps the rest.

    Each byte is looked at once, however many reads an event comes in: a search begins where the last ended.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The bytes that may be passed on now. Raises FrameTooLarge."""
        rest = self._rest
        held = len(rest)
        if held:
            seam = bytes(rest[-_LOOK_BACK:])
            end = _last_end(seam + data)
            end += held - len(seam) if end else 0
        else:
            end = _last_end(data)
        size = held + len(data)
        if not end and size <= self._limit:
            rest += data
            return b""
        buffer = bytes(rest) + data if held else data
        if size > self._limit and self.within(buffer) < size:
            raise FrameTooLarge
        if end < size or held:
            self._rest = bytearray(buffer[end:])
        return buffer[:end]

    def within(self, buffer: bytes) -> int:
        """Where the first event over the bound begins; the buffer's length if none is.

        The line ends around an event do not count, for how many of them one sees depends on the cuts.
        """
        start = 0
        for blank in _BLANK.finditer(buffer):
            if _size(buffer[start : blank.start()]) > self._limit:
                return start
            start = blank.end()
        return start if _size(buffer[start:]) > self._limit else len(buffer)

    @property
    def rest(self) -> bytes:
        """The unfinished event."""
        return bytes(self._rest)

    @property
    def resting(self) -> bool:
        """Whether an event is unfinished."""
        return bool(self._rest)


class FrameDecoder:
    """A Machine from bytes to event payloads (the joined `data` lines); comments and names are left out."""

    __slots__ = ("_cut", "_fresh", "_limit", "done", "overrun")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._cut = FrameSplitter(limit)
        self._fresh = True
        self.done = False
        self.overrun = False
        """An event outgrew the bound: what came before it was handed on, the rest is not read."""

    def feed(self, data: bytes, /) -> list[bytes]:
        """The payloads of the events that `data` completes, in order."""
        if self.overrun:
            return []
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and not self._cut.resting and b"\r" not in data:
            events = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(events) and len(data) <= self._limit:
                self._fresh = False
                return events  # whole events of one data line each: nearly every read of a Chat stream
        try:
            whole = self._cut.feed(data)
        except FrameTooLarge:
            self.overrun = True
            return self._overrun(data)
        return self._payloads(whole) if whole else []

    def close(self, fault: Fault | None = None, /) -> list[bytes]:
        """At a clean end, the last event even where its blank line is missing; after a fault, nothing."""
        if fault is not None or self.overrun:
            return []
        return self._payloads(self._cut.rest)

    def _overrun(self, data: bytes) -> list[bytes]:
        """What came whole before the event that is too large."""
        held = self._cut.rest + data
        return self._payloads(held[: self._cut.within(held)])

    def _payloads(self, whole: bytes) -> list[bytes]:
        if self._fresh and whole:
            self._fresh = False
            whole = whole.removeprefix(_BOM)
        return payloads(whole)


def payloads(whole: bytes) -> list[bytes]:
    """The payload of each event in bytes that hold whole events only; an ErrorPayload for an error."""
    if whole[:1] == b":" or b"\n:" in whole:
        return _beside_comments(whole)
    return _payloads(whole)


def first_payload(whole: bytes) -> bytes | None:
    """The payload of the first event that has one; the rest is not looked at."""
    data, end = _next_payload(whole, 0, b"\r" in whole)
    if whole.find(b"error", 0, end) >= 0 and _ERROR.search(whole, 0, end):
        return next(iter(_payloads(whole[:end])), None)
    return data


def payloads_with(pattern: re.Pattern[bytes], whole: bytes) -> list[bytes]:
    """The payloads of the events in which `pattern` is found; only those are taken out of `whole`."""
    if b"\r" in whole:
        return [data for data in payloads(whole) if pattern.search(data)]
    found: list[bytes] = []
    end = 0
    while match := pattern.search(whole, end):
        blank = whole.rfind(b"\n\n", end, match.start())
        start = end if blank < 0 else blank + 2
        blank = whole.find(b"\n\n", match.end())
        end = len(whole) if blank < 0 else blank
        data = payload(whole[start:end])
        if data is not None:
            found.append(data)
    return found


def payload(block: bytes) -> bytes | None:
    """The joined data lines of one event; None where it has none (a comment, a lone name)."""
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return block[6:]  # nearly every event of a Chat stream
    if block.startswith(b"event: response.") and b"\r" not in block:  # and of a Responses stream
        start = block.find(b"\n") + 7
        if block[start - 6 : start] == b"data: " and block.find(b"\n", start) < 0:
            if block.startswith(_TYPE, start) or block.rfind(_TYPED, -_LAST) > start:
                return block[start:]
            return _named(block[start:], block[: start - 7])
    lines = block.splitlines()
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:") or line == b"data"]
    if data:
        joined = b"\n".join(data)
        if (len(lines[0]) < _LONGER or len(lines) > _PLAIN) and _is_error(lines):
            return ErrorPayload(joined)
        if lines[0].startswith((b"event: response.", b"event:response.")) and not joined.startswith(_TYPE):
            return _named(joined, lines[0])
        return joined
    error = [line[6:].removeprefix(b" ") for line in lines if line.startswith(b"error:")]
    return ErrorPayload(b"\n".join(error)) if error else None


def _named(data: bytes, line: bytes) -> NamedPayload:
    named = NamedPayload(data)
    named.name = line[6:].strip().decode("utf-8", "replace")
    return named


def _is_error(lines: list[bytes]) -> bool:
    """Whether the lines of an event name it `error`."""
    return any(line.rstrip() in _ERROR_NAMES for line in lines)


def _payloads(whole: bytes) -> list[bytes]:
    """The payload of each event, each of which is taken apart."""
    blocks = _BLANK.split(whole) if b"\r" in whole else whole.split(b"\n\n")
    return [data for block in blocks if block and (data := payload(block)) is not None]


def _beside_comments(whole: bytes) -> list[bytes]:
    """The payloads, where there may be very many comments: only what has data is taken out of `whole`."""
    if b"error" in whole and _ERROR.search(whole):
        return _payloads(whole)
    found: list[bytes] = []
    mixed = b"\r" in whole
    data, end = _next_payload(whole, 0, mixed)
    while data is not None:
        found.append(data)
        data, end = _next_payload(whole, end, mixed)
    return found


def _next_payload(whole: bytes, start: int, mixed: bool) -> tuple[bytes | None, int]:
    """The first payload from `start` on, and where its event ends. `mixed`: there are line ends with CR."""
    first = _DATA.search(whole, start)
    if first is None:
        return None, len(whole)
    begin = first.start()
    if mixed:
        blank = _BLANK.search(whole, begin)
        end = len(whole) if blank is None else blank.start()
    else:
        end = whole.find(b"\n\n", begin)
        end = len(whole) if end < 0 else end
    return payload(whole[begin:end]), end


def _size(event: bytes) -> int:
    return len(event.strip(_LINE_ENDS))


def _last_end(data: bytes) -> int:
    """Where the last complete event ends; 0 if none does."""
    if b"\r" not in data:
        at = data.rfind(b"\n\n")
        return at + 2 if at >= 0 else 0
    end = 0
    for match in _BLANK.finditer(data):
        end = match.end()
    return end
