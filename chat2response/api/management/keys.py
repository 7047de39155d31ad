"""`/keys`, `/keys/generate`, `/keys/revoke`, `/keys/set_expiration`, compatible with the Rust edition."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import json_body
from chat2response.api.management.idempotency import IDEMPOTENCY_KEY, idempotency_key, run_once
from chat2response.api.management.key_models import (
    SOME_ID,
    ExpirationResult,
    GenerateKey,
    IssuedKey,
    KeyList,
    ListedKey,
    RevocationResult,
    RevokeKey,
    SetExpiration,
)
from chat2response.api.management.query_params import read_query
from chat2response.api.management.responses import Warnings, issue_warnings, json_array, json_response
from chat2response.api.openapi.components import error_responses, query_parameter, request_body
from chat2response.keys import KeyService
from chat2response.keys.grants import scope_warnings
from chat2response.keys.listing import MAX_PAGE_SIZE, Filter, whole_number
from chat2response.keys.record import STATES
from chat2response.keys.views import issued_document, page_document, revoke_key

_INTEGER = {"type": "integer"}
_QUERY = [
    query_parameter(
        "limit", "The maximum number of keys in a page.", _INTEGER | {"minimum": 1, "maximum": MAX_PAGE_SIZE}
    ),
    query_parameter("cursor", "The next_cursor of the previous page."),
    query_parameter("state", "Only keys in this state.", {"type": "string", "enum": list(STATES)}),
    query_parameter("owner", "Only keys of this owner."),
    query_parameter("label", "Only keys whose label contains this text, in any case."),
    query_parameter("expiring_within", "Only active keys that expire within this many seconds.", _INTEGER),
]


def key_routes(keys: KeyService, auth_mode: str) -> APIRouter:
    """The four endpoints. `auth_mode`: only `managed` checks these keys, other modes add a warning."""
    router = APIRouter(tags=["keys"])
    _add_generate(router, keys, issue_warnings(auth_mode))
    _add_revoke(router, keys)
    _add_set_expiration(router, keys)
    _add_list(router, keys)
    return router


def _add_generate(router: APIRouter, keys: KeyService, warnings_of: Warnings) -> None:
    @router.post(
        "/keys/generate",
        operation_id="generate_key",
        summary="Issue a key",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **request_body(
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
        responses={200: {"model": IssuedKey}, **error_responses(400, 413, 415, 422, 503)},
    )
    async def generate(
        request: Request, body: Annotated[GenerateKey, Depends(json_body(GenerateKey))]
    ) -> Response:
        issued = await keys.generate(
            **body.expiry(),
            **body.attributes(),
            idempotency_key=idempotency_key(request),
            by=actor_of(request.scope),
        )
        return json_response(issued_document(issued), warnings_of(scope_warnings(body.scopes or ())))


def _add_revoke(router: APIRouter, keys: KeyService) -> None:
    @router.post(
        "/keys/revoke",
        operation_id="revoke_key",
        summary="Revoke a key for good",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **request_body(RevokeKey.model_json_schema(), {"by id": {"id": SOME_ID}}),
        },
        responses={200: {"model": RevocationResult}, **error_responses(400, 409, 413, 415, 422, 503)},
    )
    async def revoke(request: Request, body: Annotated[RevokeKey, Depends(json_body(RevokeKey))]) -> Response:
        async def work() -> dict[str, Any]:
            return await revoke_key(keys, body.id, by=actor_of(request.scope))

        return json_response(await run_once(keys, request, "revoke", body, work))


def _add_set_expiration(router: APIRouter, keys: KeyService) -> None:
    @router.post(
        "/keys/set_expiration",
        operation_id="set_key_expiration",
        summary="Change when a key expires",
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY],
            **request_body(
                SetExpiration.model_json_schema(),
                {
                    "a day from now": {"id": SOME_ID, "ttl_seconds": 86_400},
                    "a moment": {"id": SOME_ID, "expires_at": 1_900_000_000},
                },
            ),
        },
        responses={200: {"model": ExpirationResult}, **error_responses(400, 409, 413, 415, 422, 503)},
    )
    async def set_expiration(
        request: Request, body: Annotated[SetExpiration, Depends(json_body(SetExpiration))]
    ) -> Response:
        async def work() -> dict[str, Any]:
            key = await keys.set_expiration(body.id, **body.expiry(), by=actor_of(request.scope))
            answer: dict[str, Any] = {"updated": key is not None, "id": body.id}
            return answer if key is None else {**answer, "expires_at": key.expires_at}

        return json_response(await run_once(keys, request, "set_expiration", body, work))


def _add_list(router: APIRouter, keys: KeyService) -> None:
    @router.get(
        "/keys",
        operation_id="list_keys",
        summary="All keys, oldest first; with any parameter, a page of the matching keys",
        openapi_extra={"parameters": _QUERY},
        responses={200: {"model": list[ListedKey] | KeyList}, **error_responses(400, 503)},
    )
    async def listed(request: Request) -> Response:
        params = read_query(request, *(each["name"] for each in _QUERY))
        if not params:
            return await json_array(key.public() for key in await keys.repository.list())
        within = params.get("expiring_within")
        wanted = Filter(
            state=params.get("state"),  # type: ignore[arg-type]  # `page` checks it
            owner=params.get("owner"),
            label=params.get("label"),
            expiring_within=None if within is None else whole_number(within, "expiring_within"),
        )
        page = await keys.repository.page(
            wanted, cursor=params.get("cursor"), limit=whole_number(params.get("limit", 100), "limit")
        )
        return json_response(await page_document(keys.repository, page))
