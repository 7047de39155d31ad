"""Counts the containers and values of a JSON document without decoding it.

The cost of decoding depends on the number of values, not on the length: 64 MiB of `[],[],...` become some 20
million objects. So they are counted first. Brackets and commas inside strings do not count, because prompts
often contain code.
"""

from chat2response.wire.json import JSONError

MAX_CONTAINERS = 65_536
"""The limit of arrays and objects in an untrusted document."""
VALUES_PER_CONTAINER = 4
"""The limit of values, per container that the document may have."""
SMALL_DOCUMENT = 2 * MAX_CONTAINERS
"""A document of this many bytes cannot exceed the limit: an empty container takes two bytes."""

_QUOTE, _ESCAPED_BACKSLASH, _ESCAPED_QUOTE, _BACKSLASH = b'"', b"\\\\", b'\\"', b"\\"


class TooManyContainers(JSONError):
    """The document has more than `limit` arrays and objects."""

    what = "arrays and objects"
    code = "too_many_containers"

    def __init__(self, limit: int) -> None:
        super().__init__(f"it has more than {limit} {self.what}")
        self.limit = limit


class TooManyValues(TooManyContainers):
    """The document has more than `limit` values."""

    what = "values"
    code = "too_many_values"


class StructureCounter:
    """Counts a document that is fed in pieces, cut anywhere; raises as soon as a limit is exceeded.

    For invalid JSON the count is right up to the first error, where a decoder stops.
    """

    __slots__ = ("_backslash", "_containers", "_in_string", "_max_containers", "_max_values", "_values")

    def __init__(self, max_containers: int) -> None:
        self._max_containers = max_containers
        self._max_values = VALUES_PER_CONTAINER * max_containers
        self._containers = 0
        self._values = 1
        self._in_string = False
        self._backslash = b""  # a backslash at the end of the last piece

    def feed(self, piece: bytes) -> None:
        """Raises TooManyContainers or TooManyValues."""
        # Backslashes occur only in strings. Once pairs are removed, each one left precedes what it escapes.
        piece = (self._backslash + piece).replace(_ESCAPED_BACKSLASH, b"")
        self._backslash = _BACKSLASH if piece.endswith(_BACKSLASH) else b""
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
    """A quick upper bound, which also counts inside strings. It can accept a document but not reject it."""

    __slots__ = ("_containers", "_document", "_max_containers", "_values")

    def __init__(self, document: bytes, max_containers: int) -> None:
        self._document = document
        self._max_containers = max_containers
        self._containers = 0
        self._values = 1

    def count(self, start: int, end: int) -> bool:
        """Adds this part of the document; returns False once the limits may be exceeded."""
        count = self._document.count
        self._containers += count(b"[", start, end) + count(b"{", start, end)
        self._values += count(b",", start, end)
        limit = self._max_containers
        return self._containers <= limit and self._values <= VALUES_PER_CONTAINER * limit
