"""The audit log: an append-only log in the store with a line for each change of a key.

A line is on disk before its change is written. So a line may describe a change that then failed, which the
caller saw as an error; no change is without a line. A line has the time (`at`, epoch seconds), the `action`,
the actor (`by`: `key:<id>`, `token`, `network`, `shell`, `gateway`) and its origin (`from`), the `key`, and
the changed fields (`changes`); never a secret, and of metadata only the names.

Each UTC month has a log of its own, which expires as a whole when its last line is old enough.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.actor import Actor
from chat2response.observe.redact import redact
from chat2response.stores import Store

KIND = "audit"
MAX_PAGE_SIZE = 1000  # lines
_HIDDEN = ("salt_hex", "hash_hex", "pepper", "previous", "id", "created_at")
_CURSOR = re.compile(r"(\d{4}-\d{2}):(\d{1,15})")

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, oldest first. `cursor` continues after the last one, also for lines that are written later."""

    lines: list[Line]
    cursor: str | None
    has_more: bool


class Audit:
    """The audit log in a store. `keep_days`: minimum retention of a line. `clock`: epoch seconds."""

    def __init__(self, store: Store, *, keep_days: int = 400, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keep = timedelta(days=keep_days)
        self._clock = clock

    async def record(
        self, action: str, by: Actor, *keys: str, changes: Mapping[str, Any] | None = None
    ) -> None:
        """Append a line for each of `keys`, or a single line without a key. Raises StoreDown."""
        now = self._clock()
        line = {"at": int(now), "action": action, **by.document()}
        details = {} if changes is None else {"changes": _visible(changes)}
        lines = [line | {"key": key} | details for key in keys] or [line | details]
        await self._store.append(KIND, _month(now), lines, ttl=self._keep.total_seconds())

    async def read(self, *, cursor: str | None = None, limit: int = 100) -> AuditPage:
        """The lines after a cursor, or the oldest ones. Raises InvalidRequest, StoreDown."""
        if not 1 <= limit <= MAX_PAGE_SIZE:
            raise InvalidRequest(f"limit must be between 1 and {MAX_PAGE_SIZE}", param="limit")
        after = 0
        first = _month((datetime.fromtimestamp(self._clock(), UTC) - self._keep).timestamp())
        if cursor is not None:
            match = _CURSOR.fullmatch(cursor)
            if match is None:
                raise InvalidRequest("cursor does not come from the audit log", param="cursor")
            first, after = max((first, 0), (match[1], int(match[2])))
        lines: list[Line] = []
        for month in _months(first, _month(self._clock())):
            after = after if month == first else 0
            docs = await self._store.read(KIND, month, after=after, limit=limit - len(lines) + 1)
            page = docs[: limit - len(lines)]
            if page:
                cursor = f"{month}:{after + len(page)}"
            lines += [line for line in page if type(line) is dict]
            if len(docs) > len(page):
                return AuditPage(lines, cursor, has_more=True)
        return AuditPage(lines, cursor, has_more=False)


def _month(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m")


def _months(first: str, last: str) -> Iterator[str]:
    year, month = map(int, first.split("-"))
    while (name := f"{year:04}-{month:02}") <= last:
        yield name
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _visible(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The new values, with text that looks like a key redacted; of metadata only the names."""
    visible = {name: value for name, value in changes.items() if name not in _HIDDEN}
    if isinstance(visible.get("metadata"), Mapping):
        visible["metadata"] = sorted(visible["metadata"])
    return {name: _redact_all(value) for name, value in visible.items()}


def _redact_all(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Sequence):
        return [_redact_all(each) for each in value]
    return value
