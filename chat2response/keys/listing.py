"""Lists of keys: filters and pagination."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.record import KIND, STATES, ApiKey, State, read_entry
from chat2response.keys.tokens.token import is_key_id
from chat2response.stores import Store
from chat2response.wire.json import JSONError, decode, encode

MAX_PAGE_SIZE = 500  # keys
_MAX_SCANS = 20  # of the store for one page


@dataclass(frozen=True, slots=True)
class Filter:
    """Which keys to list; None: any. `label`: a part of it, ignoring case; `owner`: an exact match.

    `expiring_within`: active keys that expire within so many seconds.
    """

    state: State | None = None
    owner: str | None = None
    label: str | None = None
    expiring_within: int | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in STATES:
            raise InvalidRequest(f"state must be one of {', '.join(STATES)}", param="state")

    def passes(self, key: ApiKey, now: float) -> bool:
        """Whether the filter lets the key through."""
        if self.state is not None and key.state(now) != self.state:
            return False
        if self.owner is not None and key.owner != self.owner:
            return False
        if self.label is not None and self.label.casefold() not in (key.label or "").casefold():
            return False
        if self.expiring_within is None:
            return True
        soon = key.expires_at is not None and key.expires_at <= now + self.expiring_within
        return soon and key.state(now) == "active"


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of keys, sorted by age within the page; `cursor` leads to the next page, None ends the list.

    A page may be short, even empty, before the end: one page scans only a part of a large store.
    """

    keys: list[ApiKey]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A position in the list: the store's cursor, and keys that the scan returned beyond the last page."""

    cursor: str | None = None
    leftover: tuple[str, ...] = ()
    scanned: bool = False
    """Whether the scan is over and only `leftover` remains."""

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        try:
            cursor, leftover, scanned = decode(base64.urlsafe_b64decode(text.encode("ascii")))
            return cls._validated(cursor, tuple(leftover), scanned)
        except (JSONError, ValueError, TypeError):
            raise _invalid_cursor() from None

    @classmethod
    def _validated(cls, cursor: Any, leftover: tuple[Any, ...], scanned: Any) -> "_Cursor":
        if type(scanned) is not bool or not (cursor is None or type(cursor) is str):
            raise TypeError("a cursor has other types")
        if len(leftover) > MAX_PAGE_SIZE or not all(type(id) is str and is_key_id(id) for id in leftover):
            raise ValueError("not ids of keys")
        return cls(cursor, leftover, scanned)

    def text(self) -> str | None:
        if self.scanned and not self.leftover:
            return None
        return base64.urlsafe_b64encode(encode([self.cursor, self.leftover, self.scanned])).decode()


async def page(store: Store, key_filter: Filter, now: float, *, cursor: str | None, limit: int) -> KeyPage:
    """The next page. Raises InvalidRequest, StoreDown."""
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidRequest(f"limit must be between 1 and {MAX_PAGE_SIZE}", param="limit")
    at = _Cursor() if cursor is None else _Cursor.read(cursor)
    matches: dict[str, ApiKey] = {}
    leftover, at = at.leftover, _Cursor(at.cursor, (), at.scanned)
    for id, entry in zip(leftover, await store.get_many(KIND, leftover) if leftover else (), strict=True):
        if entry is not None and (key := read_entry(id, entry)) is not None and key_filter.passes(key, now):
            matches[id] = key
    for _ in range(_MAX_SCANS):
        # Three quarters are enough: each of the last few keys could cost a scan of its own.
        if at.scanned or len(matches) > limit * 3 // 4:
            break
        try:
            step = await store.scan(KIND, cursor=at.cursor, limit=limit - len(matches))
        except ValueError:  # another store's cursor
            raise _invalid_cursor() from None
        for id, entry in step.entries:
            if (key := read_entry(id, entry)) is not None and key_filter.passes(key, now):
                matches[id] = key
        at = _Cursor(step.cursor, (), step.cursor is None)
        await asyncio.sleep(0)  # other tasks run, even if the store never waits
    ids = list(matches)
    at = _Cursor(at.cursor, tuple(ids[limit:]), at.scanned)
    keys = sorted((matches[id] for id in ids[:limit]), key=ApiKey.sort_key)
    return KeyPage(keys, at.text())


def _invalid_cursor() -> InvalidRequest:
    return InvalidRequest("cursor does not come from this list", param="cursor")


def whole_number(value: Any, param: str) -> int:
    """A whole number, 0 or more, from a query. Raises InvalidRequest."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidRequest(f"{param} must be a whole number", param=param, code="invalid_type")
    return int(text)
