"""A key's new secret: what changes of its record, and what stands against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys.actor import Actor
from chat2response.keys.delegation import check_within
from chat2response.keys.expiry_policy import LAST_MOMENT
from chat2response.keys.record import ApiKey, Digest, Issued, Retired


@dataclass(frozen=True, slots=True)
class Rotation:
    """`digest`: of the new secret; `now` and the grace in epoch seconds and seconds."""

    digest: Digest
    now: int
    grace_seconds: int
    force: bool
    by: Actor

    def __post_init__(self) -> None:
        if type(self.grace_seconds) is not int or not 0 <= self.grace_seconds <= LAST_MOMENT - self.now:
            raise InvalidRequest("grace_seconds must be a whole number of seconds", param="grace_seconds")

    def fields(self, key: ApiKey) -> dict[str, Any]:
        """What changes of the record. Raises Conflict and Forbidden."""
        if (state := key.state(self.now)) != "active":
            raise Conflict(f"The key is {state}: its secret cannot be renewed.", code=f"key_{state}")
        check_within(self.by, key)
        if key.previous is not None and key.previous.expires_at > self.now and not self.force:
            raise Conflict(
                "The key was rotated a short while ago: the secret it had before opens until "
                f"{key.previous.expires_at}, and another rotation ends that one now. Wait until then, or say "
                'that you mean it: "force": true, or --force.',
                code="rotation_in_grace",
                param="force",
            )
        until = self.now + self.grace_seconds
        previous = Retired(key.digest, until if key.expires_at is None else min(until, key.expires_at))
        return {**self.digest.document(), "previous": previous.document(), "rotated_at": self.now}

    def planned(self, key: ApiKey, token: str) -> Issued:
        """The key as it will be. Raises what `fields` does."""
        return Issued(ApiKey.read({**key.document(), **self.fields(key)}), token)


def unfinished(planned: ApiKey, key: ApiKey) -> Mapping[str, Any] | None:
    """What is still to change of a record for a planned rotation; None: nothing.

    Raises Conflict where another rotation came in between.
    """
    if key.digest == planned.digest:
        return None
    if planned.previous is None or key.digest != planned.previous.digest:
        raise Conflict(
            "Another rotation came before this one was done; rotate again, with a new Idempotency-Key.",
            code="key_changed",
        )
    previous = planned.previous.document()
    return {**planned.digest.document(), "previous": previous, "rotated_at": planned.rotated_at}
