"""Server-sent events, framed over bytes (WHATWG HTML, "Server-sent events", 9.2.6).

Lines end in LF, CR or CRLF, whatever the sender mixes; an event ends at a blank line; a BOM may lead.
The code splits bytes and passes on only whole events. So a UTF-8 character that two reads share is never cut,
and U+2028 in a text is not a line end.
"""

import re

from chat2response.wire.fault import Fault

MAX_FRAME = 16 * 1024 * 1024  # bytes of an incomplete event
DONE = b"[DONE]"  # the payload that ends an OpenAI stream
DONE_FRAME = b"data: [DONE]\n\n"
KEEPALIVE = b": keep-alive\n\n"  # a comment, which may stand between any two events

_BOM = b"\xef\xbb\xbf"
# Atomic groups: the CRLF of one line end must not match as two line ends.
_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
# The first data line of an event. The pattern begins with a literal, which makes the search fast.
_DATA = re.compile(rb"data(?<![^\r\n]data)(?=[:\r\n]|\Z)")
_MAX_KEEPALIVE = 64  # bytes
_LOOK_BACK = 3  # a blank line is at most four bytes, of which an earlier read may have brought three
_LINE_ENDS = b"\r\n"

# An event is an error if that is its name, or the name of a field instead of its data.
_ERROR = re.compile(rb"(?:^|[\r\n])(?:event:[ ]?error[ ]*(?=[\r\n]|\Z)|error:)")
_LONG_NAME, _PLAIN_LINES = 14, 2  # nearly every event is two lines: a name of at least 14 bytes, and its data
_ERROR_NAMES = (b"event: error", b"event:error")

_TYPE = b'{"type":'
_RESPONSE_TYPE, _TAIL = b'"response.', 100  # bytes at the end that are searched for a type

# Keepalives that some servers send as data; those of sse-starlette are the time.
_KEEPALIVE = re.compile(
    rb"[\s:.*_-]*(?:(?:ping|pong|keep[-_ ]?alive|heart[-_ ]?beat|no[-_ ]?op|hb|processing|waiting"
    rb"|openrouter processing)[\s:.*_-]*|(?:ping[\s:-]+)?\d{4}-\d\d-\d\d[T ][\d:.+Z -]*)?",
    re.IGNORECASE,
)


def is_keepalive(payload: bytes) -> bool:
    """Whether data that is not JSON is a keepalive (`ping`), and no part of an answer."""
    return len(payload) <= _MAX_KEEPALIVE and _KEEPALIVE.fullmatch(payload) is not None


class ErrorPayload(bytes):
    """The payload of an event named `error`, which is no part of an answer."""


class NamedPayload(bytes):
    """The payload of a named event without a `type` in the usual place: `name` may be its type."""

    name = ""


class FrameTooLarge(Exception):
    """An event, complete or not, exceeds the size limit."""


class FrameSplitter:
    """Passes on bytes unchanged up to the end of the last complete event, and buffers the remainder.

    Each byte is searched once, however many reads an event takes: a search begins where the last one ended.
    """

    __slots__ = ("_limit", "buffered")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self.buffered = bytearray()
        """The bytes of the incomplete event."""

    def feed(self, data: bytes) -> bytes:
        """Takes more bytes. Returns those to pass on now. Raises FrameTooLarge."""
        buffered = self.buffered
        old = len(buffered)
        if old:
            seam = bytes(buffered[-_LOOK_BACK:])
            end = _last_end(seam + data)
            end += old - len(seam) if end else 0
        else:
            end = _last_end(data)
        size = old + len(data)
        if not end and size <= self._limit:
            buffered += data
            return b""
        whole = bytes(buffered) + data if old else data
        if size > self._limit and self.first_oversized(whole) < size:
            raise FrameTooLarge
        if end < size or old:
            self.buffered = bytearray(whole[end:])
        return whole[:end]

    def first_oversized(self, buffer: bytes) -> int:
        """The start of the first event that exceeds the limit; the length of the buffer if none does.

        The line ends around an event do not count, because their number depends on how the reads are cut.
        """
        start = 0
        for blank in _BLANK.finditer(buffer):
            if _size(buffer[start : blank.start()]) > self._limit:
                return start
            start = blank.end()
        return start if _size(buffer[start:]) > self._limit else len(buffer)

    @property
    def remainder(self) -> bytes:
        """The bytes of the incomplete event."""
        return bytes(self.buffered)


class FrameDecoder:
    """A Machine from bytes to event payloads (the joined `data` lines), without comments and event names."""

    __slots__ = ("_at_start", "_limit", "_splitter", "done", "overrun")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._splitter = FrameSplitter(limit)
        self._at_start = True
        self.done = False
        self.overrun = False
        """An event exceeded the limit. The events before it were returned; nothing after it is read."""

    def feed(self, data: bytes, /) -> list[bytes]:
        """The payloads of the events that `data` completes, in order."""
        if self.overrun:
            return []
        if (
            data[:6] == b"data: "
            and data[-2:] == b"\n\n"
            and not self._splitter.buffered
            and b"\r" not in data
        ):  # `_plain_events`, without a call for each read of a stream
            events = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(events) and len(data) <= self._limit:
                self._at_start = False
                return events
        try:
            whole = self._splitter.feed(data)
        except FrameTooLarge:
            self.overrun = True
            return self._before_oversized(data)
        return self._payloads(whole) if whole else []

    def close(self, fault: Fault | None = None, /) -> list[bytes]:
        """At a clean end, returns the last event even without its blank line; after a fault, nothing."""
        if fault is not None or self.overrun:
            return []
        return self._payloads(self._splitter.remainder)

    def _before_oversized(self, data: bytes) -> list[bytes]:
        """The payloads before the event that is too large."""
        buffered = self._splitter.remainder + data
        return self._payloads(buffered[: self._splitter.first_oversized(buffered)])

    def _payloads(self, whole: bytes) -> list[bytes]:
        if self._at_start and whole:
            self._at_start = False
            whole = whole.removeprefix(_BOM)
        plain = _plain_events(whole)
        return payloads(whole) if plain is None else plain


def _plain_events(whole: bytes) -> list[bytes] | None:
    """The payloads of whole events of one data line each: nearly every read of a Chat stream. Else None."""
    if whole[:6] == b"data: " and whole[-2:] == b"\n\n" and b"\r" not in whole:
        events = whole[6:-2].split(b"\n\ndata: ")
        if whole.count(b"\n") == 2 * len(events):
            return events
    return None


def payloads(whole: bytes) -> list[bytes]:
    """The payload of each event in `whole`, which contains only whole events."""
    if whole[:1] == b":" or b"\n:" in whole:
        return _payloads_between_comments(whole)
    return _payloads(whole)


def first_payload(whole: bytes) -> bytes | None:
    """The payload of the first event that has one; later events are not searched."""
    data, end = _next_payload(whole, 0, b"\r" in whole)
    if whole.find(b"error", 0, end) >= 0 and _ERROR.search(whole, 0, end):
        return next(iter(_payloads(whole[:end])), None)
    return data


def payloads_with(pattern: re.Pattern[bytes], whole: bytes) -> list[bytes]:
    """The payloads of the events that match `pattern`; only those are copied out of `whole`."""
    if b"\r" in whole:
        return [data for data in payloads(whole) if pattern.search(data)]
    result: list[bytes] = []
    end = 0
    while match := pattern.search(whole, end):
        blank = whole.rfind(b"\n\n", end, match.start())
        start = end if blank < 0 else blank + 2
        blank = whole.find(b"\n\n", match.end())
        end = len(whole) if blank < 0 else blank
        data = payload(whole[start:end])
        if data is not None:
            result.append(data)
    return result


def payload(block: bytes) -> bytes | None:
    """The joined data lines of one event; None if it has none (a comment, only a name)."""
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return block[6:]  # nearly every event of a Chat stream
    if block.startswith(b"event: response.") and b"\r" not in block:  # and of a Responses stream
        start = block.find(b"\n") + 7
        if block[start - 6 : start] == b"data: " and block.find(b"\n", start) < 0:
            if block.startswith(_TYPE, start) or block.rfind(_RESPONSE_TYPE, -_TAIL) > start:
                return block[start:]
            return _named(block[start:], block[: start - 7])
    lines = block.splitlines()
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:") or line == b"data"]
    if data:
        joined = b"\n".join(data)
        if (len(lines[0]) < _LONG_NAME or len(lines) > _PLAIN_LINES) and _is_error(lines):
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
    """The payload of each event, for input that needs no fast path for comments."""
    blocks = _BLANK.split(whole) if b"\r" in whole else whole.split(b"\n\n")
    return [data for block in blocks if block and (data := payload(block)) is not None]


def _payloads_between_comments(whole: bytes) -> list[bytes]:
    """The payloads of input with comments, of which there may be many: only data is copied out of `whole`."""
    if b"error" in whole and _ERROR.search(whole):
        return _payloads(whole)
    result: list[bytes] = []
    mixed = b"\r" in whole
    data, end = _next_payload(whole, 0, mixed)
    while data is not None:
        result.append(data)
        data, end = _next_payload(whole, end, mixed)
    return result


def _next_payload(whole: bytes, start: int, mixed: bool) -> tuple[bytes | None, int]:
    """The first payload from `start` on, and the end of its event. `mixed`: some line ends contain CR."""
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
    """The end of the last complete event; 0 if there is none."""
    if b"\r" not in data:
        at = data.rfind(b"\n\n")
        return at + 2 if at >= 0 else 0
    end = 0
    for match in _BLANK.finditer(data):
        end = match.end()
    return end
