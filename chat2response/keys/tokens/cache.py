"""A bounded cache of verification results by the token's SHA-256, which can be invalidated per key."""

from typing import Generic, NamedTuple, TypeVar

from chat2response.keys.record import ApiKey

Result = TypeVar("Result")


class Accepted(NamedTuple):
    """A token of `key`. The result is valid from `since` until `until`; the key itself expires at `ends`."""

    key: ApiKey
    since: float
    until: float
    ends: float


class Rejected(NamedTuple):
    """A rejected token, and why. The result is valid from `since` until `until`."""

    reason: str
    since: float
    until: float


class TokenCache(Generic[Result]):
    """At most `size` tokens."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.entries: dict[bytes, Result] = {}
        self._by_key: dict[str, set[bytes]] = {}

    def put(self, id: str, digest: bytes, result: Result) -> None:
        """Cache the result for a token with the key id `id`, whether there is such a key or not."""
        if len(self.entries) >= self._size and digest not in self.entries:
            self.invalidate(None)  # every entry is valid for a second only
        self.entries[digest] = result
        self._by_key.setdefault(id, set()).add(digest)

    def invalidate(self, id: str | None) -> None:
        """Drop the results for a key's tokens; None: for all tokens."""
        if id is None:
            self.entries.clear()
            self._by_key.clear()
            return
        for digest in self._by_key.pop(id, ()):
            self.entries.pop(digest, None)
