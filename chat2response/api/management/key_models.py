"""What `/keys*` take and answer. Times are epoch seconds."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from chat2response.api.management.body_params import StrictBody
from chat2response.api.openapi.components import Described
from chat2response.keys.expiry_policy import UNSET
from chat2response.keys.limits import MAX_LIMIT, NAMES
from chat2response.keys.tokens.token import id_in

SOME_ID = "0123456789abcdef0123456789abcdef"
SOME_DIGEST = f"$c2r-sha256${'0' * 32}${'0' * 64}"

KEY_IN_PATH: Described = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The key's id.",
    "schema": {"type": "string"},
    "example": SOME_ID,
}

KeyId = Annotated[str, AfterValidator(id_in)]
_ID = Field(
    description="The key's id: the 32 hex digits between `sk_` and the dot of its token. The token will do."
)
_END = Field(
    None, description="When the key ends, in epoch seconds; wins over ttl_seconds. null: it never does."
)
_TTL = Field(None, description="Seconds from now until the key ends.")
_LIMIT: Described = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_LIMIT}, {"type": "null"}]}
_LABEL = Field(None, description="A name for people.")
_OWNER = Field(None, description="Whose it is.")
_METADATA = Field(None, description="At most 16 strings by name.")
_SCOPES = Field(
    None,
    description="Grants (`endpoint:chat`, `model:gpt-*`, `upstream:chat`, `tool:web_*`, `net:10.0.0.0/8`, "
    "`admin:keys`); all other strings are labels. Without a grant of a kind, all of that kind is allowed, "
    "but never the admin plane.",
)
_LIMITS = Field(
    None,
    description="What it may spend; costs in millionths of the price list's currency. null: no limit.",
    json_schema_extra={"properties": dict.fromkeys(NAMES, _LIMIT), "additionalProperties": False},
)


class Said(StrictBody):
    """What is said of a key."""

    label: str | None = _LABEL
    owner: str | None = _OWNER
    metadata: dict[str, str] | None = _METADATA
    scopes: list[str] | None = _SCOPES
    limits: dict[str, Any] | None = _LIMITS

    def said(self) -> dict[str, Any]:
        """Those fields that were sent."""
        return {name: getattr(self, name) for name in Said.model_fields if name in self.model_fields_set}


class End(StrictBody):
    """When a key ends."""

    ttl_seconds: int | None = _TTL
    expires_at: int | None = _END

    def end(self) -> dict[str, Any]:
        """As the book of keys takes it; a null is not the same as nothing."""
        sent = "expires_at" in self.model_fields_set
        return {"ttl_seconds": self.ttl_seconds, "expires_at": self.expires_at if sent else UNSET}


class GenerateKey(Said, End):
    """All fields are optional; a key made with `{}` lives as long as the gateway's default says."""


class ImportKey(Said, End):
    """A key whose token nobody here has seen."""

    id: str = _ID
    digest: str = Field(
        description="`$c2r-sha256$<salt>$<hash>`, or `$c2r-hmac-sha256$<pepper's version>$<salt>$<hash>`."
    )


class RevokeKey(StrictBody):
    """Which key."""

    id: KeyId = _ID


class SetExpiration(End):
    """Which key, and when it ends: at once, for a moment in the past; never, with null or neither field."""

    id: KeyId = _ID


class RotateKey(StrictBody):
    """Which key, and how long its present secret opens too; 0: it ends at once."""

    id: KeyId = _ID
    grace_seconds: int = Field(0, description="Seconds; never longer than the key itself lives.")
    force: bool = Field(
        False, description="Rotate while the grace of the last rotation runs; the secret in it ends at once."
    )


class UpdateKey(Said):
    """Which key, and what changes: each field that is sent replaces what was there, null clears it."""

    id: KeyId = _ID


class PurgeKeys(StrictBody):
    """Keys that were revoked or expired so long ago are removed."""

    older_than_seconds: int = Field(description="An hour at least.")
    limit: int = Field(10_000, ge=1, description="About how many at most.")


class ListedKey(BaseModel):
    """A key as the bare list shows it."""

    id: str
    label: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    scopes: list[str] | None


class KeyDetails(ListedKey):
    """All that may be shown of a key. `grace_expires_at`: until when the secret before the last opens too."""

    state: str
    owner: str | None
    metadata: dict[str, str] | None
    limits: dict[str, int] | None
    rotated_at: int | None
    grace_expires_at: int | None
    last_used_at: int | None
    requests: int
    tokens: int


class KeyList(BaseModel):
    """A page. It may be short, even empty, before the end: go on while there is a `next_cursor`."""

    object: str = "list"
    data: list[KeyDetails]
    has_more: bool
    next_cursor: str | None


class IssuedKey(BaseModel):
    """A key with a new secret. This is the only time its token is seen. What was not said is not told."""

    id: str
    token: str = Field(description="`sk_<32 hex>.<64 hex>`: what clients send as their bearer.")
    created_at: int
    expires_at: int | None
    label: str | None
    scopes: list[str] | None
    owner: str | None = None
    metadata: dict[str, str] | None = None
    limits: dict[str, int] | None = None
    rotated_at: int | None = None
    grace_expires_at: int | None = None


class Revoked(BaseModel):
    """`reason`, where nothing was revoked: `unknown_key`, or `already_revoked`."""

    revoked: bool
    id: str
    reason: Literal["unknown_key", "already_revoked"] | None = None


class ExpirationSet(BaseModel):
    """false, and no expires_at: there is no such key."""

    updated: bool
    id: str
    expires_at: int | None = None


class Imported(BaseModel):
    """false: this very key was there already, and is left as it is."""

    imported: bool
    id: str


class Purged(BaseModel):
    """How many are gone, and whether there may be more."""

    purged: int
    more: bool
