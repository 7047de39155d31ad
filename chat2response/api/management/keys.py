"""`/keys`, `/keys/generate`, `/keys/revoke`, `/keys/set_expiration`, in the Rust edition's shapes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import json_body
from chat2response.api.management.idempotency import IDEMPOTENCY_KEY, once, repeat_of
from chat2response.api.management.key_models import (
    SOME_ID,
    ExpirationSet,
    GenerateKey,
    IssuedKey,
    KeyList,
    ListedKey,
    Revoked,
    RevokeKey,
    SetExpiration,
)
from chat2response.api.management.query_params import asked
from chat2response.api.management.responses import json_answer, json_array, unasked
from chat2response.api.openapi.components import query, refusals, takes
from chat2response.keys import KeyVerifier
from chat2response.keys.grants import scope_warnings
from chat2response.keys.listing import MAX_PAGE_SIZE, Filter, whole_number
from chat2response.keys.record import STATES
from chat2response.keys.views import issued_document, page_document, revoke_key

_INTEGER = {"type": "integer"}
_QUERY = [
    query("limit", "How many keys a page has at most.", _INTEGER | {"minimum": 1, "maximum": MAX_PAGE_SIZE}),
    query("cursor", "The next_cursor of the page before."),
    query("state", "Only keys of this state.", {"type": "string", "enum": list(STATES)}),
    query("owner", "Only keys of this owner."),
    query("label", "Only keys with this in their label, in any case."),
    query("expiring_within", "Only active keys that end within so many seconds.", _INTEGER),
]


def key_routes(keys: KeyVerifier, auth_mode: str) -> APIRouter:
    """The four endpoints over one ring; `auth_mode`: whether its keys are asked for."""
    warned = unasked(auth_mode)
    router = APIRouter(tags=["keys"])

    @router.post(
        "/keys/generate",
        operation_id="generate_key",
        summary="Issue a key",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **takes(
                GenerateKey.model_json_schema(),
                {
                    "an hour": {"label": "my laptop", "ttl_seconds": 3600},
                    "defaults": {},
                    "within bounds": {
                        "label": "search",
                        "owner": "team-search",
                        "scopes": ["model:gpt-*", "endpoint:chat"],
                        "limits": {"requests_per_minute": 60, "tokens_per_day": 1_000_000},
                    },
                },
            ),
        },
        responses={200: {"model": IssuedKey}, **refusals(400, 413, 415, 422, 503)},
    )
    async def generate(
        request: Request, ask: Annotated[GenerateKey, Depends(json_body(GenerateKey))]
    ) -> Response:
        issued = await keys.generate(
            **ask.end(), **ask.said(), idempotency_key=repeat_of(request), by=actor_of(request.scope)
        )
        return json_answer(issued_document(issued), warned(scope_warnings(ask.scopes or ())))

    @router.post(
        "/keys/revoke",
        operation_id="revoke_key",
        summary="End a key for good",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **takes(RevokeKey.model_json_schema(), {"by id": {"id": SOME_ID}}),
        },
        responses={200: {"model": Revoked}, **refusals(400, 409, 413, 415, 422, 503)},
    )
    async def revoke(request: Request, ask: Annotated[RevokeKey, Depends(json_body(RevokeKey))]) -> Response:
        async def work() -> dict[str, Any]:
            return await revoke_key(keys, ask.id, by=actor_of(request.scope))

        return json_answer(await once(keys, request, "revoke", ask, work))

    @router.post(
        "/keys/set_expiration",
        operation_id="set_key_expiration",
        summary="Move the end of a key",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **takes(
                SetExpiration.model_json_schema(),
                {
                    "a day from now": {"id": SOME_ID, "ttl_seconds": 86_400},
                    "a moment": {"id": SOME_ID, "expires_at": 1_900_000_000},
                },
            ),
        },
        responses={200: {"model": ExpirationSet}, **refusals(400, 409, 413, 415, 422, 503)},
    )
    async def set_expiration(
        request: Request, ask: Annotated[SetExpiration, Depends(json_body(SetExpiration))]
    ) -> Response:
        async def work() -> dict[str, Any]:
            key = await keys.set_expiration(ask.id, **ask.end(), by=actor_of(request.scope))
            answer: dict[str, Any] = {"updated": key is not None, "id": ask.id}
            return answer if key is None else {**answer, "expires_at": key.expires_at}

        return json_answer(await once(keys, request, "set_expiration", ask, work))

    @router.get(
        "/keys",
        operation_id="list_keys",
        summary="All keys, oldest first; with any parameter, a page of those asked for",
        openapi_extra={"parameters": _QUERY},
        responses={200: {"model": list[ListedKey] | KeyList}, **refusals(400, 503)},
    )
    async def listed(request: Request) -> Response:
        given = asked(request, *(each["name"] for each in _QUERY))
        if not given:
            return await json_array(key.public() for key in await keys.list())
        within = given.get("expiring_within")
        wanted = Filter(
            state=given.get("state"),  # type: ignore[arg-type]  # it is checked there
            owner=given.get("owner"),
            label=given.get("label"),
            expiring_within=None if within is None else whole_number(within, "expiring_within"),
        )
        page = await keys.page(
            wanted, cursor=given.get("cursor"), limit=whole_number(given.get("limit", 100), "limit")
        )
        return json_answer(await page_document(keys, page))

    return router
