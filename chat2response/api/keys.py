"""`/keys*`: issue, list, end and revoke keys, in the Rust edition's shapes; times are epoch seconds."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from chat2response.api.answers import json_answer
from chat2response.api.bodies import StrictBody, json_body
from chat2response.api.describe import refusals, takes
from chat2response.keys import UNSET, KeyRing, Unset

_ID = Field(description="The key's id: the 32 hex digits between `sk_` and the dot of its token.")
_END = Field(
    None, description="When the key ends, in epoch seconds; wins over ttl_seconds. null: it never does."
)
_TTL = Field(None, description="Seconds from now until the key ends.")
_SOME_ID = "0123456789abcdef0123456789abcdef"


class GenerateKey(StrictBody):
    """All fields are optional; a key made with `{}` lives as long as the gateway's default says."""

    label: str | None = Field(None, description="A name for people.")
    ttl_seconds: int | None = _TTL
    expires_at: int | None = _END
    scopes: list[str] | None = Field(None, description="Kept with the key.")


class RevokeKey(StrictBody):
    """Which key."""

    id: str = _ID


class SetExpiration(StrictBody):
    """Which key, and when it ends: at once, for a moment in the past; never, with null or neither field."""

    id: str = _ID
    expires_at: int | None = _END
    ttl_seconds: int | None = _TTL


class ListedKey(BaseModel):
    """A key as it may be shown."""

    id: str
    label: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    scopes: list[str] | None


class IssuedKey(BaseModel):
    """A new key. This is the only time its token is seen."""

    id: str
    token: str = Field(description="`sk_<32 hex>.<64 hex>`: what clients send as their bearer.")
    created_at: int
    expires_at: int | None
    label: str | None
    scopes: list[str] | None


class Revoked(BaseModel):
    """false: there is no such key, or it was revoked before."""

    revoked: bool
    id: str


class ExpirationSet(BaseModel):
    """false, and no expires_at: there is no such key."""

    updated: bool
    id: str
    expires_at: int | None = None


def key_routes(keys: KeyRing) -> APIRouter:
    """The four endpoints over one ring."""
    router = APIRouter(tags=["keys"])

    @router.post(
        "/keys/generate",
        operation_id="generate_key",
        summary="Issue a key",
        openapi_extra=takes(
            GenerateKey.model_json_schema(),
            {"an hour": {"label": "my laptop", "ttl_seconds": 3600}, "defaults": {}},
        ),
        responses={200: {"model": IssuedKey}, **refusals(400, 413, 415, 503)},
    )
    async def generate(ask: Annotated[GenerateKey, Depends(json_body(GenerateKey))]) -> Response:
        issued = await keys.generate(
            label=ask.label, ttl_seconds=ask.ttl_seconds, expires_at=_end(ask), scopes=ask.scopes
        )
        shown = issued.key.public() | {"token": issued.token}
        return json_answer({name: shown[name] for name in IssuedKey.model_fields})

    @router.post(
        "/keys/revoke",
        operation_id="revoke_key",
        summary="End a key for good",
        openapi_extra=takes(RevokeKey.model_json_schema(), {"by id": {"id": _SOME_ID}}),
        responses={200: {"model": Revoked}, **refusals(400, 413, 415, 503)},
    )
    async def revoke(ask: Annotated[RevokeKey, Depends(json_body(RevokeKey))]) -> Response:
        return json_answer({"revoked": await keys.revoke(ask.id), "id": ask.id})

    @router.post(
        "/keys/set_expiration",
        operation_id="set_key_expiration",
        summary="Move the end of a key",
        openapi_extra=takes(
            SetExpiration.model_json_schema(),
            {
                "a day from now": {"id": _SOME_ID, "ttl_seconds": 86_400},
                "a moment": {"id": _SOME_ID, "expires_at": 1_900_000_000},
            },
        ),
        responses={200: {"model": ExpirationSet}, **refusals(400, 413, 415, 503)},
    )
    async def set_expiration(ask: Annotated[SetExpiration, Depends(json_body(SetExpiration))]) -> Response:
        key = await keys.set_expiration(ask.id, expires_at=_end(ask), ttl_seconds=ask.ttl_seconds)
        told: dict[str, Any] = {"updated": key is not None, "id": ask.id}
        return json_answer(told if key is None else {**told, "expires_at": key.expires_at})

    @router.get(
        "/keys",
        operation_id="list_keys",
        summary="All keys, revoked and expired ones too, oldest first",
        responses={200: {"model": list[ListedKey]}, **refusals(503)},
    )
    async def listed() -> Response:
        return json_answer([key.public() for key in await keys.list()])

    return router


def _end(ask: GenerateKey | SetExpiration) -> int | Unset | None:
    return ask.expires_at if "expires_at" in ask.model_fields_set else UNSET
