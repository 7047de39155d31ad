"""`GET /v1/models` and `/v1/models/{id}`: the upstream's models with the operator's additions.

One body holds both OpenAI's list and the one that Codex reads. If the upstream is unavailable, the list holds
what the operator configured: a client that only looks at the models must not fail.
"""

import logging
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from chat2response.api.bridge.authentication import Authenticator
from chat2response.api.http.request import JSON, Request
from chat2response.convert.dialects.surfaces import RESPONSES_SURFACE
from chat2response.engine.engine import Engine
from chat2response.errors import NotFound, UpstreamError
from chat2response.observe.redact import shown_url
from chat2response.upstreams.base import ClientContext
from chat2response.upstreams.catalog import Catalog
from chat2response.wire.headers import HeaderList
from chat2response.wire.json import JSONError, decode, encode

log = logging.getLogger("chat2response.api")


class Models:
    """The handler of both endpoints."""

    def __init__(self, engine: Engine, authenticator: Authenticator, catalog: Catalog) -> None:
        self._engine = engine
        self._authenticator = authenticator
        self._catalog = catalog

    async def __call__(self, request: Request) -> None:
        caller = await self._authenticator.authenticate(request, "models")
        request.tenant = caller.tenant
        # This calls the upstream with the operator's account, so it counts as a request of the key.
        standing = [] if caller.key is None else await self._engine.meters.admission.count_request(caller.key)
        context = ClientContext(caller.authorization, request.id, hops=request.hops)
        entries, error = await self._entries(context)
        listed = self._catalog.model_list(entries)
        _, _, model = request.scope["path"].partition("/models/")
        if model:
            await _respond(request, _entry(listed["data"], unquote(model), error), standing)
            return
        if error is not None:
            url = shown_url(self._engine.routes.target(RESPONSES_SURFACE).base_url)
            log.warning("%s: no list of models at %s/models: %s", request.id, url, error.message)
        await _respond(request, listed, standing)

    async def _entries(self, context: ClientContext) -> tuple[list[dict[str, Any]], UpstreamError | None]:
        """The upstream's entries, or the error. Raises an error that concerns the client's own key."""
        target = self._engine.routes.target(RESPONSES_SURFACE)
        try:
            return _read(await self._engine.upstream.models(target, context)), None
        except UpstreamError as error:
            if error.status in (401, 403) and not target.managed:
                raise
            return [], error


async def _respond(request: Request, value: dict[str, Any], standing: HeaderList) -> None:
    """Sends 200 with an `ETag`, or 304 if the client has the same list (RFC 9110, 13.1.2)."""
    body = encode(value)
    etag = b'"%b"' % sha256(body).hexdigest()[:32].encode()
    headers: HeaderList = [(b"etag", etag), (b"cache-control", b"no-cache"), *standing]
    known = [
        each.strip().removeprefix(b"W/") for each in request.headers.get(b"if-none-match", b"").split(b",")
    ]
    if etag in known or b"*" in known:
        await request.start(304, JSON, headers)
        await request.send({"type": "http.response.body", "body": b""})
    else:
        await request.respond(200, body, JSON, headers)


def _read(body: bytes) -> list[dict[str, Any]]:
    """The entries of an upstream's list. Raises UpstreamError if `body` is not a list of models."""
    try:
        value = decode(body)
    except JSONError as error:
        raise UpstreamError("The upstream's list of models cannot be read.", internal=str(error)) from None
    entries = value.get("data") if type(value) is dict else value
    if type(entries) is not list:
        raise UpstreamError("The upstream's list of models cannot be read.")
    return [each for each in entries if type(each) is dict]


def _entry(entries: list[dict[str, Any]], model: str, error: UpstreamError | None) -> dict[str, Any]:
    for entry in entries:
        if entry.get("id") == model:
            return entry
    if error is not None:  # the model may exist upstream
        raise error
    raise NotFound(f"The model '{model}' does not exist.", param="model", code="model_not_found")
