"""The audit: a line for each change of a key, kept in the store, only ever appended.

A line is on disk before the change it tells of is made. So a line may tell of a change that then failed, as
its maker was told; no change goes without a line. It holds when (`at`, epoch seconds), what (`action`), by
whom (`by`: `key:<id>`, `token`, `network`, `shell`, `gateway`) and from where (`from`), which key (`key`),
and what was changed (`changes`); never a secret, nor what is in metadata.

Lines are kept in one log for each month of UTC, which goes as a whole when its last line is old enough.
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
MOST = 1000  # lines of a page
_HIDDEN = ("salt_hex", "hash_hex", "pepper", "previous", "id", "created_at")
_CURSOR = re.compile(r"(\d{4}-\d{2}):(\d{1,15})")

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, oldest first. `cursor` is where to go on, also for lines that are yet to come."""

    lines: list[Line]
    cursor: str | None
    has_more: bool


class Audit:
    """The audit in a store. `keep_days`: how long a line is kept, at least. `clock`: epoch seconds."""

    def __init__(self, store: Store, *, keep_days: int = 400, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keep = timedelta(days=keep_days)
        self._clock = clock

    async def note(
        self, action: str, by: Actor, *keys: str, changes: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a line for each of `keys`, or one for none. Raises StoreDown."""
        now = self._clock()
        line = {"at": int(now), "action": action, **by.document()}
        told = {} if changes is None else {"changes": _shown(changes)}
        lines = [line | {"key": key} | told for key in keys] or [line | told]
        await self._store.append(KIND, _month(now), lines, ttl=self._keep.total_seconds())

    async def read(self, *, cursor: str | None = None, limit: int = 100) -> AuditPage:
        """The lines after a cursor, or the first that are kept. Raises InvalidRequest, StoreDown."""
        if not 1 <= limit <= MOST:
            raise InvalidRequest(f"limit must be between 1 and {MOST}", param="limit")
        after = 0
        first = _month((datetime.fromtimestamp(self._clock(), UTC) - self._keep).timestamp())
        if cursor is not None:
            found = _CURSOR.fullmatch(cursor)
            if found is None:
                raise InvalidRequest("cursor is none that the audit has given", param="cursor")
            first, after = max((first, 0), (found[1], int(found[2])))
        lines: list[Line] = []
        for month in _months(first, _month(self._clock())):
            after = after if month == first else 0
            got = await self._store.read(KIND, month, after=after, limit=limit - len(lines) + 1)
            fitting = got[: limit - len(lines)]
            if fitting:
                cursor = f"{month}:{after + len(fitting)}"
            lines += [line for line in fitting if type(line) is dict]
            if len(got) > len(fitting):
                return AuditPage(lines, cursor, has_more=True)
        return AuditPage(lines, cursor, has_more=False)


def _month(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def _months(first: str, last: str) -> Iterator[str]:
    year, month = map(int, first.split("-"))
    while (name := f"{year:04}-{month:02}") <= last:
        yield name
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _shown(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they were set, strings without what looks like a key; of metadata the names."""
    kept = {name: value for name, value in changes.items() if name not in _HIDDEN}
    if isinstance(kept.get("metadata"), Mapping):
        kept["metadata"] = sorted(kept["metadata"])
    return {name: _masked(value) for name, value in kept.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Sequence):
        return [_masked(each) for each in value]
    return value
