"""The endpoints `/keys/{id}`, `/keys/rotate`, `/keys/update`, `/keys/import` and `/keys/purge`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import json_body
from chat2response.api.management.idempotency import IDEMPOTENCY_KEY, idempotency_key, run_once
from chat2response.api.management.key_models import (
    KEY_IN_PATH,
    SOME_DIGEST,
    SOME_ID,
    ImportKey,
    ImportResult,
    IssuedKey,
    KeyDetails,
    PurgeKeys,
    PurgeResult,
    RotateKey,
    UpdateKey,
)
from chat2response.api.management.middleware import outer_request
from chat2response.api.management.responses import Warnings, issue_warnings, json_response, warnings
from chat2response.api.openapi.components import error_responses, request_body
from chat2response.errors import InvalidRequest, MethodNotAllowed, NotFound
from chat2response.keys import ApiKey, KeyService
from chat2response.keys.grants import scope_warnings
from chat2response.keys.views import issued_document, key_details
from chat2response.observe.redact import redact

_ACTIONS = ("generate", "revoke", "set_expiration", "rotate", "update", "import", "purge")


def key_lifecycle_routes(keys: KeyService, auth_mode: str) -> APIRouter:
    """The endpoints that use `keys`. `auth_mode`: only `managed` checks these keys, others add a warning."""
    warnings_of = issue_warnings(auth_mode)
    router = APIRouter(tags=["keys"])
    _add_rotate(router, keys, warnings_of)
    _add_update(router, keys)
    _add_import(router, keys, warnings_of)
    _add_purge(router, keys)
    _add_details(router, keys)
    return router


def _add_rotate(router: APIRouter, keys: KeyService, warnings_of: Warnings) -> None:
    @router.post(
        "/keys/rotate",
        operation_id="rotate_key",
        summary="Give a key a new secret; the old one stays valid for a grace period",
        openapi_extra=_post_extras(
            RotateKey.model_json_schema(),
            {
                "both valid for an hour": {"id": SOME_ID, "grace_seconds": 3600},
                "the old secret stops at once": {"id": SOME_ID},
            },
        ),
        responses={200: {"model": IssuedKey}, **error_responses(400, 404, 409, 413, 415, 422, 503)},
    )
    async def rotate(request: Request, body: Annotated[RotateKey, Depends(json_body(RotateKey))]) -> Response:
        by = actor_of(request.scope)
        issued = await keys.rotate(
            body.id,
            grace_seconds=body.grace_seconds,
            force=body.force,
            idempotency_key=idempotency_key(request),
            by=by,
        )
        if issued is None:
            raise _unknown(body.id)
        return json_response(issued_document(issued), warnings_of(()))


def _add_update(router: APIRouter, keys: KeyService) -> None:
    @router.post(
        "/keys/update",
        operation_id="update_key",
        summary="Change a key's label, owner, metadata, scopes and limits",
        openapi_extra=_post_extras(
            UpdateKey.model_json_schema(),
            {
                "a new budget": {"id": SOME_ID, "limits": {"tokens_per_day": 500_000}},
                "another owner": {"id": SOME_ID, "owner": "team-search"},
            },
        ),
        responses={200: {"model": KeyDetails}, **error_responses(400, 404, 409, 413, 415, 422, 503)},
    )
    async def update(request: Request, body: Annotated[UpdateKey, Depends(json_body(UpdateKey))]) -> Response:
        changes = body.attributes()
        if not changes:
            raise InvalidRequest("There is nothing to change. Send at least one field besides the id.")

        async def work() -> dict[str, Any]:
            return await _details(
                keys, await keys.update(body.id, by=actor_of(request.scope), **changes), body.id
            )

        answer = await run_once(keys, request, "update", body, work)
        return json_response(answer, warnings(scope_warnings(body.scopes or ())))


def _add_import(router: APIRouter, keys: KeyService, warnings_of: Warnings) -> None:
    @router.post(
        "/keys/import",
        operation_id="import_key",
        summary="Store a key by the digest of its secret",
        openapi_extra=_post_extras(
            ImportKey.model_json_schema(),
            {
                "from a repository": {
                    "id": "f" * 32,
                    "digest": SOME_DIGEST,
                    "label": "ci",
                    "ttl_seconds": 3600,
                }
            },
        ),
        responses={200: {"model": ImportResult}, **error_responses(400, 409, 413, 415, 422, 503)},
    )
    async def import_key(
        request: Request, body: Annotated[ImportKey, Depends(json_body(ImportKey))]
    ) -> Response:
        by = actor_of(request.scope)

        async def work() -> dict[str, Any]:
            _, imported = await keys.import_digest(
                body.id, body.digest, **body.expiry(), **body.attributes(), by=by
            )
            return {"imported": imported, "id": body.id}

        answer = await run_once(keys, request, "import", body, work)
        return json_response(answer, warnings_of(scope_warnings(body.scopes or ())))


def _add_purge(router: APIRouter, keys: KeyService) -> None:
    @router.post(
        "/keys/purge",
        operation_id="purge_keys",
        summary="Remove the records of keys that were revoked or expired long ago",
        openapi_extra=_post_extras(
            PurgeKeys.model_json_schema(),
            {"revoked or expired a month ago": {"older_than_seconds": 2_592_000}},
        ),
        responses={200: {"model": PurgeResult}, **error_responses(400, 409, 413, 415, 422, 503)},
    )
    async def purge(request: Request, body: Annotated[PurgeKeys, Depends(json_body(PurgeKeys))]) -> Response:
        by = actor_of(request.scope)

        async def work() -> dict[str, Any]:
            purged, more = await keys.repository.purge(body.older_than_seconds, limit=body.limit, by=by)
            return {"purged": purged, "more": more}

        return json_response(await run_once(keys, request, "purge", body, work))


def _add_details(router: APIRouter, keys: KeyService) -> None:
    @router.get(
        "/keys/{id}",
        operation_id="get_key",
        summary="Everything about a key except its secret",
        openapi_extra={"parameters": [KEY_IN_PATH]},
        responses={200: {"model": KeyDetails}, **error_responses(404, 503)},
    )
    async def details(request: Request) -> Response:
        id = request.path_params["id"]
        if id in _ACTIONS:  # this route matches their paths too
            method = outer_request(request.scope).scope["method"]
            raise MethodNotAllowed(
                f"/keys/{id} does not support {method}. Use POST.", headers={"allow": "POST"}
            )
        return json_response(await _details(keys, await keys.repository.get(id), id))


async def _details(keys: KeyService, key: ApiKey | None, id: str) -> dict[str, Any]:
    """Raises NotFound if there is no key."""
    if key is None:
        raise _unknown(id)
    (document,) = await key_details(keys.repository, [key])
    return document


def _post_extras(*schema_and_examples: Any) -> dict[str, Any]:
    return {"parameters": [IDEMPOTENCY_KEY], **request_body(*schema_and_examples)}


def _unknown(id: str) -> NotFound:
    return NotFound(f"No such key: {redact(id)[:100]}.", code="unknown_key", param="id")
