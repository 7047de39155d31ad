"""`POST /convert`: a request body in one dialect, its translation out; nothing is sent anywhere."""

from collections.abc import Mapping
from typing import Any

from chat2response.api.asgi import JSON, HeaderPairs, Request
from chat2response.api.bridge import fidelity_of, parse_query
from chat2response.convert.face import to_chat_request, to_responses_request
from chat2response.convert.losses import HEADER, Fidelity, Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.profiles import profile
from chat2response.convert.quirks import Quirks, QuirksError
from chat2response.engine.entry import read_object
from chat2response.errors import InvalidRequest
from chat2response.wire.json import encode


class Convert:
    """`?to=responses` (default) takes a Chat body, `?to=chat` a Responses body.

    `quirks`: those of the Chat upstream; `?profile=` names those of another. `policy`: the operator's.
    `?report=1` answers `{"request": ..., "losses": [{"field", "effect"}, ...]}`, in mode `drop` too.
    """

    def __init__(
        self,
        max_body: int,
        quirks: Quirks,
        fidelity: Fidelity = "warn",
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self._max_body = max_body
        self._quirks = quirks
        self._fidelity = fidelity
        self._policy = policy

    async def __call__(self, request: Request) -> None:
        asked = parse_query(request.scope["query_string"])
        to = asked.get("to", "responses")
        if to not in ("responses", "chat"):
            raise InvalidRequest(
                f"'to' is 'responses' or 'chat', not '{to}'.", param="to", code="invalid_value"
            )
        fields = read_object(await request.body(self._max_body))
        losses = Losses(fidelity_of(request) or self._fidelity)
        if to == "chat":
            converted: Any = to_chat_request(
                fields, losses=losses, quirks=self._profile(asked), policy=self._policy
            )
        else:
            converted = to_responses_request(
                fields,
                asked.get("conversation_id"),
                previous_response_id=asked.get("previous_response_id"),
                losses=losses,
                policy=self._policy,
            )
        lost = losses.header()
        headers: HeaderPairs = [(HEADER.encode(), lost.encode("ascii"))] if lost else []
        if _wants_report(asked):
            told = [{"field": loss.field, "effect": loss.effect} for loss in losses]
            converted = {"request": converted, "losses": told}
        await request.answer(200, encode(converted), JSON, headers)

    def _profile(self, asked: Mapping[str, str]) -> Quirks:
        try:
            return profile(asked["profile"]) if "profile" in asked else self._quirks
        except QuirksError as error:
            raise InvalidRequest(str(error), param="profile", code="invalid_value") from None


def _wants_report(asked: Mapping[str, str]) -> bool:
    value = asked.get("report", "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise InvalidRequest("'report' is 1 or 0.", param="report", code="invalid_value")
    return value in ("1", "true")
