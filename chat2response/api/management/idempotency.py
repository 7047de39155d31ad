"""`Idempotency-Key` for the endpoints that change keys."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import StrictBody
from chat2response.api.openapi.components import query_parameter
from chat2response.errors import InvalidRequest
from chat2response.keys import KeyService

IDEMPOTENCY_KEY = query_parameter(
    "Idempotency-Key", "The same key and body within an hour: the same answer."
) | {"in": "header"}


def idempotency_key(request: Request) -> str | None:
    """The request's Idempotency-Key. Raises InvalidRequest for more than one."""
    values = request.headers.getlist("idempotency-key")
    if len(values) > 1:
        raise InvalidRequest(
            "The request has more than one Idempotency-Key header. Send one.", code="invalid_idempotency_key"
        )
    return values[0] if values else None


async def run_once(
    keys: KeyService,
    request: Request,
    operation: str,
    body: StrictBody,
    work: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Runs `work` once per Idempotency-Key. Returns its result; raises as `KeyService.run_once` does."""
    params = body.model_dump(exclude_unset=True)
    return await keys.run_once(
        operation, params, work, idempotency_key=idempotency_key(request), by=actor_of(request.scope)
    )
