"""The rows of the table and their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from bench.bodies import GARBAGE_KEY, UNKNOWN_KEY, Mode


@dataclass(frozen=True, slots=True)
class Target:
    """How the gateway's figure is judged: by its ratio to `against`, its difference from it, or its own
    value.

    `limit` None: the comparison is shown without a verdict. `orientation`: an absolute figure shown beside a
    ratio, for information only.
    """

    how: Literal["ratio", "over", "value"]
    against: str | None = None
    limit: float | None = None
    orientation: str = ""


_JSON = Target("ratio", "block", 1.1, "0.20 ms")
UNCHANGED = 1.10
"""The largest allowed ratio to an earlier gateway's figure, at the median, for every row."""

TARGETS = {
    "json-c1": _JSON,
    "json-c16": _JSON,
    "json-c64": _JSON,
    "flood": Target("ratio", "block", 1.1, "8 us"),
    "flood-arguments": Target("ratio", "proxy"),
    "flood-reasoning": Target("ratio", "proxy"),
    "burst": Target("ratio", "block"),
    "paced": Target("ratio", "proxy", 3.0),
    "paced-20": Target("ratio", "proxy", 3.0),
    "first-event": Target("over", "direct", 0.45),
    "open-1000": Target("value", None, 45.0),
    "cold-start": Target("value", None, 0.8),
    "idle-memory": Target("value", None, 60.0),
    "invalid-key": Target("ratio", "block"),
    "garbage-key": Target("ratio", "block"),
    "large-callback": Target("value", None, 100.0),
    "large-livez": Target("value"),
    "large-memory": Target("value"),
    "unread-memory": Target("value", None, 300.0),
    "unread-again": Target("value", None, 10.0),
}
"""Targets by the row's name without its mode: they hold for the bridge and for both relays."""


@dataclass(frozen=True, slots=True)
class Work:
    """One run of the load generator: the number of connections and requests, and the shape of a stream."""

    connections: int
    requests: int
    model: str = "json"
    deltas: int = 0
    """Deltas per stream that the load generator counts; 0 for a JSON call."""
    ramp: int = 0
    """Milliseconds over which the first requests are spread."""
    key: str | None = None
    """A bad key in place of the issued one; every answer must then be a 401."""

    @property
    def warm_up(self) -> Work:
        """Streams of the same kind of deltas, without a pause."""
        return Work(4, 8, f"{self.model.partition('-')[0]}-256", 256)


Kind = Literal["cpu", "first", "open", "cold", "idle", "livez", "callback", "memory", "unread", "again"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `rounds` and `seconds` (for one contender and round) refer to a full run."""

    name: str
    base: str
    mode: Mode
    kind: Kind
    unit: str
    what: str
    contenders: tuple[str, ...]
    rounds: int
    seconds: float
    work: Work | None = None
    quick: int = 0
    """Rounds in a quick run; 0 if the row is not part of it."""

    @property
    def target(self) -> Target:
        return TARGETS[self.base]


_ALL = ("direct", "proxy", "block", "gateway")
_SERVERS = ("proxy", "block", "gateway")
_CHECKING = ("block", "gateway")
"""The contenders that check keys."""
_QUICK = 3


def _load_row(
    base: str, what: str, work: Work, *, rounds: int = 9, seconds: float = 0.4, quick: int = 0
) -> Row:
    unit = "us/delta" if work.deltas else "us/request"
    return Row(base, base, "bridge", "cpu", unit, what, _ALL, rounds, seconds, work, quick)


def _unconverted_row(base: str, what: str, work: Work) -> Row:
    """A row whose answer the block can relay, but not convert."""
    row = _load_row(base, f"{what}; the block only relays them", work, rounds=6)
    return replace(row, contenders=tuple(name for name in _ALL if name != "block"))


def _bad_key_row(base: str, what: str, key: str) -> Row:
    return replace(_load_row(base, what, Work(16, 1500, key=key), quick=_QUICK), contenders=_CHECKING)


def _process_row(
    base: str,
    kind: Kind,
    unit: str,
    what: str,
    *,
    rounds: int,
    seconds: float,
    work: Work | None = None,
    quick: int,
) -> Row:
    return Row(base, base, "bridge", kind, unit, what, _SERVERS, rounds, seconds, work, quick)


_FLOOD = Work(8, 240, "flood-256", 256)
_ARGUMENTS = Work(8, 240, "arguments-256", 256)
_REASONING = Work(8, 240, "reasoning-256", 256)
_BURST = Work(8, 240, "burst-256x16", 256)
_PACED = Work(50, 50, "paced-100@20", 100, ramp=20)
_PACED_20 = replace(_PACED, connections=20, requests=20)
_FIRST = Work(1, 120, "flood-8", 8)
_OPEN = Work(1000, 1000, "open-12@250", 12, ramp=1000)

_BY_MODE = (
    _load_row("json-c1", "JSON, one call at a time", Work(1, 500)),
    _load_row("json-c16", "JSON, 16 at a time", Work(16, 1500), quick=_QUICK),
    _load_row("json-c64", "JSON, 64 at a time", Work(64, 1500), rounds=6),
    _load_row("flood", "256 deltas without a pause, 8 streams", _FLOOD, quick=_QUICK),
    _unconverted_row("flood-arguments", "256 pieces of a call's arguments, 8 streams", _ARGUMENTS),
    _unconverted_row("flood-reasoning", "256 pieces of reasoning and a short text, 8 streams", _REASONING),
    _load_row("burst", "256 deltas, 16 in a write, 8 streams", _BURST, rounds=6, seconds=0.5),
    _load_row("paced", "a delta each 20 ms, 50 streams", _PACED, rounds=6, seconds=2.3, quick=_QUICK),
    replace(
        _load_row("paced-20", "a delta each 20 ms, 20 streams", _PACED_20, rounds=6, seconds=2.3),
        contenders=_SERVERS,
    ),
    replace(
        _load_row("first-event", "p50 to the first event, no queue", _FIRST, seconds=0.3, quick=_QUICK),
        kind="first",
        unit="ms",
    ),
    _process_row(
        "open-1000",
        "open",
        "MiB",
        "memory over idle, 1,000 open streams",
        rounds=2,
        seconds=7,
        work=_OPEN,
        quick=1,
    ),
)
_ONCE = (
    _process_row("cold-start", "cold", "s", "exec to listening", rounds=10, seconds=0.7, quick=_QUICK),
    _process_row("idle-memory", "idle", "MiB", "one second after a probe", rounds=3, seconds=1.8, quick=1),
    _bad_key_row("invalid-key", "refused: well formed, never issued, each new", UNKNOWN_KEY),
    _bad_key_row("garbage-key", "refused: not in the format of our keys", GARBAGE_KEY),
)


def _large_row(kind: Kind, unit: str, what: str) -> Row:
    what = f"the largest bodies: {what}"
    row = _process_row(f"large-{kind}", kind, unit, what, rounds=1, seconds=3, quick=0)
    return replace(row, contenders=("gateway",))


_LARGE = (
    _large_row("callback", "ms", "longest callback of the loop, CPU"),
    _large_row("livez", "ms", "longest wait for /livez during them"),
    _large_row("memory", "MiB", "peak memory over idle"),
)


def _unread_row(base: str, kind: Kind, unit: str, what: str, seconds: float) -> Row:
    row = _process_row(base, kind, unit, what, rounds=1, seconds=seconds, quick=0)
    return replace(row, contenders=("gateway",))


_UNREAD = (
    _unread_row("unread-memory", "unread", "MiB", "memory over idle, 1,000 clients that do not read", 14),
    _unread_row("unread-again", "again", "%", "what a second wave of 1,000 adds", 0.1),
)
_QUICK_RELAYS = frozenset({"json-c16", "flood"})


def _relay(row: Row, mode: Mode) -> Row:
    rounds = 1 if row.kind == "open" else row.rounds
    quick = row.quick if row.base in _QUICK_RELAYS else 0
    contenders = _ALL if row.work in (_ARGUMENTS, _REASONING) else row.contenders
    name = f"{mode}-{row.base}"
    return replace(row, name=name, mode=mode, contenders=contenders, rounds=rounds, quick=quick)


ROWS = (
    *_BY_MODE,
    *_ONCE,
    *_LARGE,
    *_UNREAD,
    *(_relay(row, "relay-chat") for row in (*_BY_MODE, *_LARGE, *_UNREAD)),
    *(_relay(row, "relay-responses") for row in (*_BY_MODE, *_LARGE, *_UNREAD)),
)


def select(patterns: list[str], *, quick: bool) -> list[Row]:
    """The rows whose names match a pattern; without patterns all rows, or those of a quick run."""
    if patterns:
        return [row for row in ROWS if any(fnmatchcase(row.name, pattern) for pattern in patterns)]
    return [row for row in ROWS if row.quick or not quick]


def rounds_of(row: Row, *, quick: bool, wanted: int | None) -> int:
    """The rounds of a row: the command line's number, else the row's own."""
    if wanted is not None:
        return wanted
    return (row.quick or min(3, row.rounds)) if quick else row.rounds
