"""`Idempotency-Key` on the endpoints that change keys."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from chat2response.api.admin.guard import actor_of
from chat2response.api.management.body_params import StrictBody
from chat2response.api.openapi.components import query
from chat2response.errors import InvalidRequest
from chat2response.keys import KeyVerifier

IDEMPOTENCY_KEY = query("Idempotency-Key", "The same key and body within an hour: the same answer.") | {
    "in": "header"
}


def repeat_of(request: Request) -> str | None:
    """The request's Idempotency-Key. Raises InvalidRequest for more than one."""
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        raise InvalidRequest("There is more than one Idempotency-Key.", code="invalid_idempotency_key")
    return given[0] if given else None


async def once(
    keys: KeyVerifier,
    request: Request,
    operation: str,
    ask: StrictBody,
    work: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """What `work` answers, done once for an Idempotency-Key. Raises what `KeyService.run_once` does."""
    asked = ask.model_dump(exclude_unset=True)
    return await keys.run_once(
        operation, asked, work, idempotency_key=repeat_of(request), by=actor_of(request.scope)
    )
