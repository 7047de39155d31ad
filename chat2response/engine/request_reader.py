"""Reads a client's body into the hub."""

from typing import Any

from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.hub import HubRequest
from chat2response.convert.requests.request_body import BAD_JSON, read_object, read_repaired_object
from chat2response.convert.validation import missing_field
from chat2response.engine.call import Call
from chat2response.engine.duplicate_fields import check_field_names, check_permission_fields
from chat2response.errors import InvalidRequest


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
    dialect = call.surface.reads
    try:
        return dialect.read_request(_with_query(call, fields))
    except InvalidRequest as error:
        add_hint(error, fields, dialect.name)
        raise


def _with_query(call: Call, fields: dict[str, Any]) -> dict[str, Any]:
    """The body with the fields that come from the query."""
    if call.conversation_id:
        fields = {**fields, "conversation": call.conversation_id}
    if call.previous_response_id:
        fields = {**fields, "previous_response_id": call.previous_response_id}
    return fields


def read_repaired(call: Call) -> dict[str, Any]:
    """The body as an object, repaired where it is not strict JSON. Raises InvalidRequest."""
    try:
        return read_object(call.body)
    except InvalidRequest as error:
        if error.code != BAD_JSON:
            raise
        fields, call.body, call.repairs = read_repaired_object(call.body, error)
        return fields
