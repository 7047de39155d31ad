"""A client's body into the hub: JSON, an object, of a depth we can write again, then the dialect's reader."""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses import request as responses
from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import missing_field
from chat2response.engine.call import Call
from chat2response.engine.duplicate_keys import check_ask, check_names
from chat2response.engine.plan import SPOKEN
from chat2response.errors import InvalidRequest
from chat2response.wire.json import MAX_DEPTH, JSONError, decode, decode_with_repairs, too_deep
from chat2response.wire.json_repair import Repair, make_strict
from chat2response.wire.json_size import TooManyContainers

BAD_JSON = "invalid_json"
_SHALLOW = MAX_DEPTH  # brackets; a body with no more of them cannot nest too deeply


def read_whole(call: Call, limited: bool, goes_up: bool) -> tuple[dict[str, Any], HubRequest]:
    """The call's request, decoded, and in the hub. Raises InvalidRequest.

    `limited`: what its key must be allowed to ask for may be there in one way only. `goes_up`: as it is.
    """
    fields = read_mended(call)
    hub = read_call(call, fields)
    if limited and goes_up:
        check_ask(call.body)
    elif limited:
        check_names(fields)
    return fields, hub


def read_call(call: Call, fields: dict[str, Any]) -> HubRequest:
    """The call's request in the hub; `fields` is its body, decoded. Raises InvalidRequest."""
    if fields.get("model") is None:
        raise missing_field("model")
    try:
        return _read(call, fields)
    except InvalidRequest as error:
        add_hint(error, fields, SPOKEN[call.surface][0])
        raise


def _read(call: Call, fields: dict[str, Any]) -> HubRequest:
    if SPOKEN[call.surface][0] == "responses":
        return responses.read_request(fields)
    if call.conversation_id:
        fields = {**fields, "conversation": call.conversation_id}
    if call.previous_response_id:
        fields = {**fields, "previous_response_id": call.previous_response_id}
    return chat.read_request(fields)


def read_mended(call: Call) -> dict[str, Any]:
    """The object that the call's body is, mended where strict readers refuse it. Raises InvalidRequest."""
    try:
        return read_object(call.body)
    except InvalidRequest as error:
        if error.code != BAD_JSON:
            raise
        fields, call.body, call.repairs = mended_object(call.body, error)
        return fields


def mended_object(body: bytes, error: InvalidRequest) -> tuple[dict[str, Any], bytes, Sequence[Repair]]:
    """The object, the body that says it in strict JSON, and what was mended; `error`: raised where none was.

    The body keeps keys that are there twice, for the checks of what goes up as it is.
    """
    plain = make_strict(body)
    if plain == body:
        raise error
    return read_object(plain), plain, decode_with_repairs(body)[1]


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` is. Raises InvalidRequest that says what it is instead."""
    try:
        value = decode(body)
    except JSONError as error:
        raise bad_json(error, body) from None
    if type(value) is not dict:
        raise not_an_object()
    if body.count(b"{") + body.count(b"[") > _SHALLOW and too_deep(value):
        raise InvalidRequest(f"The JSON body nests more than {MAX_DEPTH} levels.", code=BAD_JSON)
    return value


def bad_json(error: JSONError, body: bytes) -> InvalidRequest:
    """400: `body` is not JSON."""
    if not body.strip():
        return InvalidRequest("The body of the request is empty: send a JSON object.", code=BAD_JSON)
    return InvalidRequest(f"We could not parse the JSON body of your request: {error}.", code=BAD_JSON)


def too_many(error: TooManyContainers) -> InvalidRequest:
    """400: more is in the body than anybody decodes."""
    return InvalidRequest(
        f"The JSON body has more than {error.limit} {error.what}. Brackets and commas inside strings do not "
        "count: send a shorter history, fewer tools, or large data as text.",
        code=error.code,
    )


def not_an_object() -> InvalidRequest:
    """400: JSON, but not an object."""
    return InvalidRequest("The body of the request must be a JSON object.", code="invalid_type")
