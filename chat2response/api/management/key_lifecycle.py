"""The life of a key after its making: `/keys/{id}`, `/keys/rotate`, `update`, `import`, `purge`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import json_body
from chat2response.api.management.idempotency import IDEMPOTENCY_KEY, once, repeat_of
from chat2response.api.management.key_models import (
    KEY_IN_PATH,
    SOME_DIGEST,
    SOME_ID,
    Imported,
    ImportKey,
    IssuedKey,
    KeyDetails,
    Purged,
    PurgeKeys,
    RotateKey,
    UpdateKey,
)
from chat2response.api.management.middleware import arrived
from chat2response.api.management.responses import json_answer, unasked, warnings
from chat2response.api.openapi.components import refusals, takes
from chat2response.errors import InvalidRequest, MethodNotAllowed, NotFound
from chat2response.keys import ApiKey, KeyVerifier
from chat2response.keys.grants import scope_warnings
from chat2response.keys.views import issued_document, key_details
from chat2response.observe.redact import redact

_POSTED = ("generate", "revoke", "set_expiration", "rotate", "update", "import", "purge")


def key_life_routes(keys: KeyVerifier, auth_mode: str) -> APIRouter:
    """The endpoints over one ring; `auth_mode`: whether its keys are asked for."""
    warned = unasked(auth_mode)
    router = APIRouter(tags=["keys"])

    @router.post(
        "/keys/rotate",
        operation_id="rotate_key",
        summary="Give a key another secret; the old one opens for a while too",
        openapi_extra=_posted(
            RotateKey.model_json_schema(),
            {
                "an hour for both": {"id": SOME_ID, "grace_seconds": 3600},
                "the old one is out": {"id": SOME_ID},
            },
        ),
        responses={200: {"model": IssuedKey}, **refusals(400, 404, 409, 413, 415, 422, 503)},
    )
    async def rotate(request: Request, ask: Annotated[RotateKey, Depends(json_body(RotateKey))]) -> Response:
        by = actor_of(request.scope)
        issued = await keys.rotate(
            ask.id,
            grace_seconds=ask.grace_seconds,
            force=ask.force,
            idempotency_key=repeat_of(request),
            by=by,
        )
        if issued is None:
            raise _unknown(ask.id)
        return json_answer(issued_document(issued), warned(()))

    @router.post(
        "/keys/update",
        operation_id="update_key",
        summary="Change what is said of a key, what it may do, and what it may spend",
        openapi_extra=_posted(
            UpdateKey.model_json_schema(),
            {
                "a new budget": {"id": SOME_ID, "limits": {"tokens_per_day": 500_000}},
                "another owner": {"id": SOME_ID, "owner": "team-search"},
            },
        ),
        responses={200: {"model": KeyDetails}, **refusals(400, 404, 409, 413, 415, 422, 503)},
    )
    async def update(request: Request, ask: Annotated[UpdateKey, Depends(json_body(UpdateKey))]) -> Response:
        said = ask.said()
        if not said:
            raise InvalidRequest("There is nothing to change: send a field beside the id.")

        async def work() -> dict[str, Any]:
            return await _details(await keys.update(ask.id, by=actor_of(request.scope), **said), ask.id)

        answer = await once(keys, request, "update", ask, work)
        return json_answer(answer, warnings(scope_warnings(ask.scopes or ())))

    @router.post(
        "/keys/import",
        operation_id="import_key",
        summary="Store a key by the digest of its secret",
        openapi_extra=_posted(
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
        responses={200: {"model": Imported}, **refusals(400, 409, 413, 415, 422, 503)},
    )
    async def import_key(
        request: Request, ask: Annotated[ImportKey, Depends(json_body(ImportKey))]
    ) -> Response:
        by = actor_of(request.scope)

        async def work() -> dict[str, Any]:
            _, made = await keys.import_digest(ask.id, ask.digest, **ask.end(), **ask.said(), by=by)
            return {"imported": made, "id": ask.id}

        answer = await once(keys, request, "import", ask, work)
        return json_answer(answer, warned(scope_warnings(ask.scopes or ())))

    @router.post(
        "/keys/purge",
        operation_id="purge_keys",
        summary="Remove the records of keys that ended long ago",
        openapi_extra=_posted(
            PurgeKeys.model_json_schema(), {"dead for a month": {"older_than_seconds": 2_592_000}}
        ),
        responses={200: {"model": Purged}, **refusals(400, 409, 413, 415, 422, 503)},
    )
    async def purge(request: Request, ask: Annotated[PurgeKeys, Depends(json_body(PurgeKeys))]) -> Response:
        by = actor_of(request.scope)

        async def work() -> dict[str, Any]:
            purged, more = await keys.purge(ask.older_than_seconds, limit=ask.limit, by=by)
            return {"purged": purged, "more": more}

        return json_answer(await once(keys, request, "purge", ask, work))

    @router.get(
        "/keys/{id}",
        operation_id="get_key",
        summary="All that is known of a key, but its secret",
        openapi_extra={"parameters": [KEY_IN_PATH]},
        responses={200: {"model": KeyDetails}, **refusals(404, 503)},
    )
    async def details(request: Request) -> Response:
        id = request.path_params["id"]
        if id in _POSTED:  # which the path of this endpoint matches too
            method = arrived(request.scope).scope["method"]
            raise MethodNotAllowed(f"{method} is not for /keys/{id}: use POST.", headers={"allow": "POST"})
        return json_answer(await _details(await keys.get(id), id))

    async def _details(key: ApiKey | None, id: str) -> dict[str, Any]:
        if key is None:
            raise _unknown(id)
        (document,) = await key_details(keys, [key])
        return document

    return router


def _posted(*given: Any) -> dict[str, Any]:
    return {"parameters": [IDEMPOTENCY_KEY], **takes(*given)}


def _unknown(id: str) -> NotFound:
    return NotFound(f"There is no key {redact(id)[:100]}.", code="unknown_key", param="id")
