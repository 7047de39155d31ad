"""Keys page by page, and those that a filter lets through."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.record import KIND, STATES, ApiKey, State, read_entry
from chat2response.keys.tokens.token import is_key_id
from chat2response.stores import Store
from chat2response.wire.json import JSONError, decode, encode

MOST = 500  # keys of a page
_ROUNDS = 20  # steps through the store that one page takes at most


@dataclass(frozen=True, slots=True)
class Filter:
    """Which keys; None lets all through. `label`: a part of it, in any case; `owner`: the whole.

    `expiring_within`: seconds until the end, of keys that are still active.
    """

    state: State | None = None
    owner: str | None = None
    label: str | None = None
    expiring_within: int | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in STATES:
            raise InvalidRequest(f"state must be one of {', '.join(STATES)}", param="state")

    def passes(self, key: ApiKey, now: float) -> bool:
        """Whether the key is one of them."""
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
    """Some keys, oldest first among themselves; `cursor` leads to the next page, None ends the list.

    A page may be short, even empty, before the end: a large store is not walked through for one page.
    """

    keys: list[ApiKey]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list goes on: the store's own cursor, and keys that were met but did not fit any more."""

    cursor: str | None = None
    left: tuple[str, ...] = ()
    scanned: bool = False
    """Whether the scan is over, so that only `left` is left."""

    @classmethod
    def read(cls, text: str) -> "_Place":
        try:
            cursor, left, scanned = decode(base64.urlsafe_b64decode(text.encode("ascii")))
            return cls._checked(cursor, tuple(left), scanned)
        except (JSONError, ValueError, TypeError):
            raise _foreign_cursor() from None

    @classmethod
    def _checked(cls, cursor: Any, left: tuple[Any, ...], scanned: Any) -> "_Place":
        if type(scanned) is not bool or not (cursor is None or type(cursor) is str):
            raise TypeError("not the types of a place")
        if len(left) > MOST or not all(type(id) is str and is_key_id(id) for id in left):
            raise ValueError("not ids of keys")
        return cls(cursor, left, scanned)

    def text(self) -> str | None:
        if self.scanned and not self.left:
            return None
        return base64.urlsafe_b64encode(encode([self.cursor, self.left, self.scanned])).decode()


async def page(store: Store, wanted: Filter, now: float, *, cursor: str | None, limit: int) -> KeyPage:
    """The next page. Raises InvalidRequest, StoreDown."""
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"limit must be between 1 and {MOST}", param="limit")
    place = _Place() if cursor is None else _Place.read(cursor)
    found: dict[str, ApiKey] = {}
    rest, place = place.left, _Place(place.cursor, (), place.scanned)
    for id, entry in zip(rest, await store.get_many(KIND, rest) if rest else (), strict=True):
        if entry is not None and (key := read_entry(id, entry)) is not None and wanted.passes(key, now):
            found[id] = key
    for _ in range(_ROUNDS):
        # Nearly full is full: the last few would each take a step of their own.
        if place.scanned or len(found) > limit * 3 // 4:
            break
        try:
            step = await store.scan(KIND, cursor=place.cursor, limit=limit - len(found))
        except ValueError:  # a cursor that another store has given
            raise _foreign_cursor() from None
        for id, entry in step.entries:
            if (key := read_entry(id, entry)) is not None and wanted.passes(key, now):
                found[id] = key
        place = _Place(step.cursor, (), step.cursor is None)
        await asyncio.sleep(0)  # others get their turn, on a store that never waits too
    ids = list(found)
    place = _Place(place.cursor, tuple(ids[limit:]), place.scanned)
    keys = sorted((found[id] for id in ids[:limit]), key=ApiKey.age)
    return KeyPage(keys, place.text())


def _foreign_cursor() -> InvalidRequest:
    return InvalidRequest("cursor is none that this list has given", param="cursor")


def whole(value: Any, param: str) -> int:
    """A whole number that is not negative, out of a query. Raises InvalidRequest."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidRequest(f"{param} must be a whole number", param=param, code="invalid_type")
    return int(text)
