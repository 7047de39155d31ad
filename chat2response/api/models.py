"""`GET /v1/models` and `/v1/models/{id}`: the upstream's list, or one entry of it."""

from typing import Any
from urllib.parse import unquote

from chat2response.api.asgi import Request
from chat2response.api.credentials import Gate
from chat2response.engine.engine import Engine
from chat2response.errors import NotFound, UpstreamError
from chat2response.upstreams.base import Origin
from chat2response.wire.json import JSONError, decode, encode


class Models:
    """The handler of both; `prefix` is what precedes an id in the path."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    async def __call__(self, request: Request) -> None:
        caller = await self._gate.admit(request, "models")
        target = self._engine.routes.of("responses")
        origin = Origin(caller.authorization, request.id, hops=request.hops)
        listed = await self._engine.upstreams[target.dialect].models(target, origin)
        _, _, wanted = request.scope["path"].partition("/models/")
        await request.answer(200, encode(_one(listed, unquote(wanted))) if wanted else listed)


def _one(listed: bytes, wanted: str) -> dict[str, Any]:
    try:
        value = decode(listed)
    except JSONError as error:
        raise UpstreamError("The upstream's list of models cannot be read.", internal=str(error)) from None
    entries = value.get("data") if type(value) is dict else None
    for entry in entries if type(entries) is list else ():
        if type(entry) is dict and entry.get("id") == wanted:
            return entry
    raise NotFound(f"The model '{wanted}' does not exist.", param="model", code="model_not_found")
