"""How many containers and values a JSON document has, told without decoding it.

Decoding costs time and memory by what a document holds, not by its length: `[],[],...` makes of 64 MiB some
20 million objects. So it is counted first. Brackets and commas inside strings do not count: a prompt is
often code.
"""

from chat2response.wire.json import JSONError

MAX_CONTAINERS = 65_536
"""Arrays and objects of one document that a stranger sends."""
VALUES_PER_CONTAINER = 4
"""A document may have this many values for each container that it may have."""
SMALL_DOCUMENT = 2 * MAX_CONTAINERS
"""A document of so many bytes cannot have more: an empty container is two of them."""

_QUOTE, _ESCAPED_BACKSLASH, _ESCAPED_QUOTE, _BACKSLASH = b'"', b"\\\\", b'\\"', b"\\"


class TooManyContainers(JSONError):
    """There are more than `limit` arrays and objects."""

    what = "arrays and objects"
    code = "too_many_containers"

    def __init__(self, limit: int) -> None:
        super().__init__(f"it has more than {limit} {self.what}")
        self.limit = limit


class TooManyValues(TooManyContainers):
    """There are more than `limit` values."""

    what = "values"
    code = "too_many_values"


class StructureCounter:
    """Fed a document piece by piece, cut anywhere; raises once there is too much in what it was fed.

    What is no JSON is counted somehow: a decoder stops at the first mistake, and up to there the two agree.
    """

    __slots__ = ("_containers", "_half", "_in_string", "_max_containers", "_max_values", "_values")

    def __init__(self, max_containers: int) -> None:
        self._max_containers = max_containers
        self._max_values = VALUES_PER_CONTAINER * max_containers
        self._containers = 0
        self._values = 1
        self._in_string = False
        self._half = b""  # a backslash whose other half is in the next piece

    def feed(self, piece: bytes) -> None:
        """Raises TooManyContainers or TooManyValues."""
        # Backslashes stand in strings only. Without their pairs, each one left is before what it escapes.
        piece = (self._half + piece).replace(_ESCAPED_BACKSLASH, b"")
        self._half = _BACKSLASH if piece.endswith(_BACKSLASH) else b""
        runs = piece.replace(_ESCAPED_QUOTE, b"").split(_QUOTE)
        outside = b"".join(runs[self._in_string :: 2])
        self._in_string ^= len(runs) % 2 == 0
        self._containers += outside.count(b"[") + outside.count(b"{")
        self._values += outside.count(b",")
        if self._containers > self._max_containers:
            raise TooManyContainers(self._max_containers)
        if self._values > self._max_values:
            raise TooManyValues(self._max_values)


class QuickCounter:
    """The quick count, which takes what stands in strings for more of the same: it clears a document, and
    never refuses it."""

    __slots__ = ("_containers", "_document", "_max_containers", "_values")

    def __init__(self, document: bytes, max_containers: int) -> None:
        self._document = document
        self._max_containers = max_containers
        self._containers = 0
        self._values = 1

    def count(self, start: int, end: int) -> bool:
        """Counts on in this part of the document; False once there may be too much."""
        count = self._document.count
        self._containers += count(b"[", start, end) + count(b"{", start, end)
        self._values += count(b",", start, end)
        limit = self._max_containers
        return self._containers <= limit and self._values <= VALUES_PER_CONTAINER * limit
