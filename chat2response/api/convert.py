"""`POST /convert`: a request body in one dialect, its translation out; nothing is sent anywhere."""

from collections.abc import Mapping

from chat2response.api.asgi import JSON, HeaderPairs, Request
from chat2response.api.bridge import parse_query
from chat2response.convert.face import to_chat_request, to_responses_request
from chat2response.convert.losses import HEADER, Losses
from chat2response.convert.profiles import profile
from chat2response.convert.quirks import Quirks, QuirksError
from chat2response.engine.entry import read_object
from chat2response.errors import InvalidRequest
from chat2response.wire.json import encode


class Convert:
    """`?to=responses` (default) takes a Chat body, `?to=chat` a Responses body.

    `quirks`: those of the Chat upstream; `?profile=` names those of another.
    """

    def __init__(self, max_body: int, quirks: Quirks) -> None:
        self._max_body = max_body
        self._quirks = quirks

    async def __call__(self, request: Request) -> None:
        asked = parse_query(request.scope["query_string"])
        to = asked.get("to", "responses")
        if to not in ("responses", "chat"):
            raise InvalidRequest(
                f"'to' is 'responses' or 'chat', not '{to}'.", param="to", code="invalid_value"
            )
        fields = read_object(await request.body(self._max_body))
        losses = Losses()
        if to == "chat":
            converted = encode(to_chat_request(fields, losses=losses, quirks=self._profile(asked)))
        else:
            converted = encode(
                to_responses_request(
                    fields,
                    asked.get("conversation_id"),
                    previous_response_id=asked.get("previous_response_id"),
                    losses=losses,
                )
            )
        lost = losses.header()
        headers: HeaderPairs = [(HEADER.encode(), lost.encode("ascii"))] if lost else []
        await request.answer(200, converted, JSON, headers)

    def _profile(self, asked: Mapping[str, str]) -> Quirks:
        try:
            return profile(asked["profile"]) if "profile" in asked else self._quirks
        except QuirksError as error:
            raise InvalidRequest(f"'profile': {error}", param="profile", code="invalid_value") from None
