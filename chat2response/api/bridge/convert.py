"""`POST /convert`: converts a request body to the other dialect, and sends it nowhere.

The endpoint needs no key, so its limits are tighter. A web page of another origin may use it only if the
operator allows that origin: the page's visitor may be in a network that the page itself cannot reach.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.api.bridge.authentication import Authenticator
from chat2response.api.bridge.bridge import PROXY_PARAMETERS, fidelity_of, read_body
from chat2response.api.http.body_buffers import BodyBuffers
from chat2response.api.http.cors import Cors
from chat2response.api.http.query import query_parameters
from chat2response.api.http.request import JSON, Request
from chat2response.convert.library.functions import to_chat_request, to_responses_request
from chat2response.convert.losses import HEADER, Fidelity, Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.profiles import profile
from chat2response.convert.quirks.quirks import Quirks, QuirksError
from chat2response.convert.requests.request_body import BAD_JSON, read_object, read_repaired_object
from chat2response.errors import Forbidden, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from chat2response.observe.call_record import CallRecord
from chat2response.wire.headers import HeaderList
from chat2response.wire.json import encode
from chat2response.wire.large_documents import is_large, run_in_thread_if

WITHOUT_KEY = 256 * 1024
WITH_KEY = 4 * 1024 * 1024
"""Bytes of a body, for callers without and with a valid key."""
PARAMETERS = ("to", "profile", "report", *PROXY_PARAMETERS)
_NOBODY = "convert"  # the client of the body buffers that all callers without a key share


class Convert:
    """The handler. `?to=responses` (default) takes a Chat body, `?to=chat` a Responses body.

    `quirks`: of the Chat upstream; `?profile=` names another profile. `policy`: the operator's. `?report=1`
    returns `{"request": ..., "losses": [{"field", "effect"}, ...]}`, also in mode `drop`.
    """

    def __init__(
        self,
        max_body: int,
        authenticator: Authenticator,
        buffers: BodyBuffers,
        cors: Cors,
        quirks: Quirks,
        fidelity: Fidelity = "warn",
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self._max_body = max_body
        self._authenticator = authenticator
        self._buffers = buffers
        self._cors = cors
        self._quirks = quirks
        self._fidelity = fidelity
        self._policy = policy

    async def __call__(self, request: Request) -> None:
        self._check_origin(request)
        params = query_parameters(request.scope["query_string"], PARAMETERS)
        to = params.get("to", "responses")
        if to not in ("responses", "chat"):
            raise InvalidRequest(
                f"'to' must be 'responses' or 'chat', not '{to}'.", param="to", code="invalid_value"
            )
        losses = Losses(fidelity_of(request) or self._fidelity)
        request.record = record = CallRecord("convert", "-")
        body = await self._body(request)
        converted = await run_in_thread_if(is_large(body), self._convert, body, to, params, losses)
        record.outcome = "converted"
        record.losses = [loss.field for loss in losses]
        header = losses.header()
        headers: HeaderList = [(HEADER.encode(), header.encode("ascii"))] if header else []
        await request.respond(200, converted, JSON, headers)

    def _check_origin(self, request: Request) -> None:
        """Raises Forbidden for a page of another origin, UnsupportedMedia for a type without a preflight."""
        origin, host = request.headers.get(b"origin"), request.headers.get(b"host", b"")
        own = origin is None or origin.partition(b"://")[2].lower() == host.lower()
        if origin is not None and not own and not self._cors.allows(origin):
            raise Forbidden(
                "Web pages of other origins may use /convert only if CORS_ALLOWED_ORIGINS names them.",
                code="origin_not_allowed",
            )
        media_type = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type != JSON:
            raise UnsupportedMedia("Send a JSON body with the header 'Content-Type: application/json'.")

    async def _body(self, request: Request) -> bytes:
        caller = request.tenant = await self._authenticator.identify(request)
        request.allocation = self._buffers.allocation(caller or _NOBODY)
        try:
            return await read_body(request, min(self._max_body, WITHOUT_KEY if caller is None else WITH_KEY))
        except PayloadTooLarge as error:
            if caller is None:
                error.message += f" With an API key (Authorization: Bearer ...) the limit is {WITH_KEY}."
            raise

    def _convert(self, body: bytes, to: str, params: Mapping[str, str], losses: Losses) -> bytes:
        fields = self._fields(body, losses)
        if to == "chat":
            converted: Any = to_chat_request(
                fields, losses=losses, quirks=self._profile(params), policy=self._policy
            )
        else:
            converted = to_responses_request(
                fields,
                params.get("conversation_id"),
                previous_response_id=params.get("previous_response_id"),
                losses=losses,
                policy=self._policy,
            )
        if _wants_report(params):
            report = [{"field": loss.field, "effect": loss.effect} for loss in losses]
            converted = {"request": converted, "losses": report}
        return encode(converted)

    def _fields(self, body: bytes, losses: Losses) -> dict[str, Any]:
        try:
            return read_object(body)
        except InvalidRequest as error:
            if error.code != BAD_JSON:
                raise
            fields, _, repairs = read_repaired_object(body, error)
        for path, effect in repairs:
            losses.add(path, effect)
        return fields

    def _profile(self, params: Mapping[str, str]) -> Quirks:
        try:
            return profile(params["profile"]) if "profile" in params else self._quirks
        except QuirksError as error:
            raise InvalidRequest(str(error), param="profile", code="invalid_value") from None


def _wants_report(params: Mapping[str, str]) -> bool:
    value = params.get("report", "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise InvalidRequest("'report' must be 1 or 0.", param="report", code="invalid_value")
    return value in ("1", "true")
