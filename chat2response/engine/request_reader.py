"""Reads a client's body into the hub: parses the JSON, bounds its depth, and calls the dialect's reader."""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import missing_field
from chat2response.engine.call import Call
from chat2response.engine.duplicate_fields import check_field_names, check_permission_fields
from chat2response.engine.plan import SURFACE_DIALECTS
from chat2response.errors import InvalidRequest
from chat2response.wire.json import MAX_DEPTH, JSONError, decode, decode_with_repairs, too_deep
from chat2response.wire.json_repair import Repair, make_strict
from chat2response.wire.json_size import TooManyContainers

BAD_JSON = "invalid_json"
_SHALLOW = MAX_DEPTH  # brackets; a body with no more than these cannot nest too deeply


def read_whole(call: Call, check_permissions: bool, overlay: bool) -> tuple[dict[str, Any], HubRequest]:
    """The decoded body and the hub request. Raises InvalidRequest.

    `check_permissions`: the key's permissions depend on fields of the body. `overlay`: the body goes upstream
    as the client wrote it.
    """
    fields = read_repaired(call)
    hub = read_call(call, fields)
    if check_permissions and overlay:
        check_permission_fields(call.body)
    elif check_permissions:
        check_field_names(fields)
    return fields, hub


def read_call(call: Call, fields: dict[str, Any]) -> HubRequest:
    """Reads the decoded body `fields` into the hub. Raises InvalidRequest."""
    if fields.get("model") is None:
        raise missing_field("model")
    try:
        return _read(call, fields)
    except InvalidRequest as error:
        add_hint(error, fields, SURFACE_DIALECTS[call.surface][0])
        raise


def _read(call: Call, fields: dict[str, Any]) -> HubRequest:
    if SURFACE_DIALECTS[call.surface][0] == "responses":
        return responses.read_request(fields)
    if call.conversation_id:
        fields = {**fields, "conversation": call.conversation_id}
    if call.previous_response_id:
        fields = {**fields, "previous_response_id": call.previous_response_id}
    return chat.read_request(fields)


def read_repaired(call: Call) -> dict[str, Any]:
    """The body as an object, repaired where it is not strict JSON. Raises InvalidRequest."""
    try:
        return read_object(call.body)
    except InvalidRequest as error:
        if error.code != BAD_JSON:
            raise
        fields, call.body, call.repairs = read_repaired_object(call.body, error)
        return fields


def read_repaired_object(
    body: bytes, error: InvalidRequest
) -> tuple[dict[str, Any], bytes, Sequence[Repair]]:
    """The object, the body as strict JSON, and the repairs. Raises `error` if nothing can be repaired.

    The repaired body keeps duplicate keys for the checks of a relayed body.
    """
    repaired = make_strict(body)
    if repaired == body:
        raise error
    return read_object(repaired), repaired, decode_with_repairs(body)[1]


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises InvalidRequest for anything else."""
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
    """400: the body is not JSON."""
    if not body.strip():
        return InvalidRequest("The body of the request is empty: send a JSON object.", code=BAD_JSON)
    return InvalidRequest(f"We could not parse the JSON body of your request: {error}.", code=BAD_JSON)


def too_many_containers(error: TooManyContainers) -> InvalidRequest:
    """400: the body has more values than the gateway decodes."""
    return InvalidRequest(
        f"The JSON body has more than {error.limit} {error.what}. Brackets and commas inside strings do not "
        "count. Send a shorter history, fewer tools, or large data as text.",
        code=error.code,
    )


def not_an_object() -> InvalidRequest:
    """400: the body is JSON, but not an object."""
    return InvalidRequest("The body of the request must be a JSON object.", code="invalid_type")
