"""The request and response bodies of `/keys*`. Times are epoch seconds."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from chat2response.api.management.body_params import StrictBody
from chat2response.api.openapi.components import OpenAPIObject
from chat2response.keys.expiry_policy import UNSET
from chat2response.keys.limits import MAX_LIMIT, NAMES
from chat2response.keys.tokens.token import id_in

SOME_ID = "0123456789abcdef0123456789abcdef"
SOME_DIGEST = f"$c2r-sha256${'0' * 32}${'0' * 64}"

KEY_IN_PATH: OpenAPIObject = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The key's id.",
    "schema": {"type": "string"},
    "example": SOME_ID,
}

KeyId = Annotated[str, AfterValidator(id_in)]
_ID = Field(
    description="The key's id: the 32 hex digits between `sk_` and the dot of its token. The token works too."
)
_EXPIRES_AT = Field(
    None, description="When the key expires, in epoch seconds; overrides ttl_seconds. null: never."
)
_TTL = Field(None, description="Seconds from now until the key expires.")
_LIMIT: OpenAPIObject = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_LIMIT}, {"type": "null"}]}
_LABEL = Field(None, description="A name for people.")
_OWNER = Field(None, description="The owner of the key.")
_METADATA = Field(None, description="At most 16 named strings.")
_SCOPES = Field(
    None,
    description="Grants (`endpoint:chat`, `model:gpt-*`, `upstream:chat`, `tool:web_*`, `net:10.0.0.0/8`, "
    "`admin:keys`); all other strings are labels. A key without any grant of a kind may use everything of "
    "that kind, but never the admin plane.",
)
_LIMITS = Field(
    None,
    description="Limits by name; costs in millionths of the price list's currency. null: no limit.",
    json_schema_extra={"properties": dict.fromkeys(NAMES, _LIMIT), "additionalProperties": False},
)


class KeyAttributes(StrictBody):
    """The attributes that a key can be given."""

    label: str | None = _LABEL
    owner: str | None = _OWNER
    metadata: dict[str, str] | None = _METADATA
    scopes: list[str] | None = _SCOPES
    limits: dict[str, Any] | None = _LIMITS

    def attributes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {
            name: getattr(self, name) for name in KeyAttributes.model_fields if name in self.model_fields_set
        }


class KeyExpiry(StrictBody):
    """When a key expires."""

    ttl_seconds: int | None = _TTL
    expires_at: int | None = _EXPIRES_AT

    def expiry(self) -> dict[str, Any]:
        """The fields as arguments of the key service, which distinguishes null from absent."""
        sent = "expires_at" in self.model_fields_set
        return {"ttl_seconds": self.ttl_seconds, "expires_at": self.expires_at if sent else UNSET}


class GenerateKey(KeyAttributes, KeyExpiry):
    """A new key. All fields are optional; with `{}` the key gets the gateway's default lifetime."""


class ImportKey(KeyAttributes, KeyExpiry):
    """A key that was generated elsewhere: its id and the digest of its secret, without the token."""

    id: str = _ID
    digest: str = Field(
        description="`$c2r-sha256$<salt>$<hash>`, or `$c2r-hmac-sha256$<pepper's version>$<salt>$<hash>`."
    )


class RevokeKey(StrictBody):
    """The key to revoke."""

    id: KeyId = _ID


class SetExpiration(KeyExpiry):
    """The key, and when it expires. A time in the past: at once. null or neither field: never."""

    id: KeyId = _ID


class RotateKey(StrictBody):
    """The key, and how long its current secret stays valid; 0: it becomes invalid at once."""

    id: KeyId = _ID
    grace_seconds: int = Field(0, description="Seconds; at most until the key itself expires.")
    force: bool = Field(
        False,
        description="Rotate although the grace period of the last rotation has not ended; the oldest secret "
        "becomes invalid at once.",
    )


class UpdateKey(KeyAttributes):
    """The key and its changes. Each field that is sent replaces the old value; null clears it."""

    id: KeyId = _ID


class PurgeKeys(StrictBody):
    """Removes keys that were revoked or expired longer ago than this."""

    older_than_seconds: int = Field(description="At least one hour (3600).")
    limit: int = Field(10_000, ge=1, description="The approximate maximum number of keys to remove.")


class ListedKey(BaseModel):
    """A key in the list without parameters."""

    id: str
    label: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    scopes: list[str] | None


class KeyDetails(ListedKey):
    """Everything about a key except its secret. `grace_expires_at`: when its previous secret expires."""

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
    """A page of keys. Even a short or empty page may not be the last: continue while `next_cursor` is set."""

    object: str = "list"
    data: list[KeyDetails]
    has_more: bool
    next_cursor: str | None


class IssuedKey(BaseModel):
    """A key with a new secret. Its token is shown only once. Attributes that are not set are left out."""

    id: str
    token: str = Field(description="`sk_<32 hex>.<64 hex>`: clients send it as their bearer token.")
    created_at: int
    expires_at: int | None
    label: str | None
    scopes: list[str] | None
    owner: str | None = None
    metadata: dict[str, str] | None = None
    limits: dict[str, int] | None = None
    rotated_at: int | None = None
    grace_expires_at: int | None = None


class RevocationResult(BaseModel):
    """The result. `reason` if nothing was revoked: `unknown_key` or `already_revoked`."""

    revoked: bool
    id: str
    reason: Literal["unknown_key", "already_revoked"] | None = None


class ExpirationResult(BaseModel):
    """The result. `updated` is false, without expires_at, if there is no such key."""

    updated: bool
    id: str
    expires_at: int | None = None


class ImportResult(BaseModel):
    """The result. `imported` is false if this key already existed; it is left unchanged."""

    imported: bool
    id: str


class PurgeResult(BaseModel):
    """The number of removed keys, and whether there may be more."""

    purged: int
    more: bool
