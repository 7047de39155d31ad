"""What checks of tokens have found, by the SHA-256 of the token: bounded, and forgotten key by key."""

from typing import Generic, NamedTuple, TypeVar

from chat2response.keys.record import ApiKey

Found = TypeVar("Found")


class Accepted(NamedTuple):
    """A token that opened `key`. It holds from `since` to `until`; the key itself ends at `ends`."""

    key: ApiKey
    since: float
    until: float
    ends: float


class Rejected(NamedTuple):
    """A token that was refused, and why."""

    fault: str
    since: float
    until: float


class TokenCache(Generic[Found]):
    """At most `size` tokens."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.found: dict[bytes, Found] = {}
        self._of_key: dict[str, set[bytes]] = {}

    def remember(self, id: str, digest: bytes, found: Found) -> None:
        """A token of the key `id`, whether there is such a key or not, was checked."""
        if len(self.found) >= self._size and digest not in self.found:
            self.forget(None)  # it was all good for a moment only
        self.found[digest] = found
        self._of_key.setdefault(id, set()).add(digest)

    def forget(self, id: str | None) -> None:
        """What was found of a key's tokens; None: of all."""
        if id is None:
            self.found.clear()
            self._of_key.clear()
            return
        for digest in self._of_key.pop(id, ()):
            self.found.pop(digest, None)
