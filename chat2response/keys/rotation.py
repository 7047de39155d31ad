"""Rotation of a key's secret: the changed fields of its record, and the reasons to refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys.actor import Actor
from chat2response.keys.delegation import check_within
from chat2response.keys.expiry_policy import MAX_TIMESTAMP
from chat2response.keys.record import ApiKey, Digest, IssuedKey, PreviousSecret


@dataclass(frozen=True, slots=True)
class Rotation:
    """`digest`: of the new secret; `now`: epoch seconds; `grace_seconds`: the old one stays valid for it."""

    digest: Digest
    now: int
    grace_seconds: int
    force: bool
    by: Actor

    def __post_init__(self) -> None:
        if type(self.grace_seconds) is not int or not 0 <= self.grace_seconds <= MAX_TIMESTAMP - self.now:
            raise InvalidRequest("grace_seconds must be a whole number of seconds", param="grace_seconds")

    def fields(self, key: ApiKey) -> dict[str, Any]:
        """The changed fields of the record. Raises Conflict, Forbidden."""
        if (state := key.state(self.now)) != "active":
            raise Conflict(f"The key is {state}: its secret cannot be rotated.", code=f"key_{state}")
        check_within(self.by, key)
        if key.previous is not None and key.previous.expires_at > self.now and not self.force:
            raise Conflict(
                f"The key's previous secret is still valid until {key.previous.expires_at}, and another "
                'rotation would end it now. Wait until then, or force the rotation with "force": true or '
                "--force.",
                code="rotation_in_grace",
                param="force",
            )
        until = self.now + self.grace_seconds
        previous = PreviousSecret(key.digest, until if key.expires_at is None else min(until, key.expires_at))
        return {**self.digest.document(), "previous": previous.document(), "rotated_at": self.now}

    def planned(self, key: ApiKey, token: str) -> IssuedKey:
        """The key after the rotation. Raises Conflict, Forbidden."""
        return IssuedKey(ApiKey.read({**key.document(), **self.fields(key)}), token)


def unfinished(planned: ApiKey, key: ApiKey) -> Mapping[str, Any] | None:
    """The fields of a planned rotation that `key`'s record still needs; None if the rotation is complete.

    Raises Conflict if another rotation came first.
    """
    if key.digest == planned.digest:
        return None
    if planned.previous is None or key.digest != planned.previous.digest:
        raise Conflict(
            "Another rotation came before this one was complete. Rotate again with a new Idempotency-Key.",
            code="key_changed",
        )
    previous = planned.previous.document()
    return {**planned.digest.document(), "previous": previous, "rotated_at": planned.rotated_at}
