"""Decodes the body of a request to a JSON object, and explains what is wrong with one that is not."""

from collections.abc import Sequence
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.wire.json import MAX_DEPTH, JSONError, decode, decode_with_repairs, too_deep
from chat2response.wire.json_repair import Repair, make_strict
from chat2response.wire.json_size import TooManyContainers

BAD_JSON = "invalid_json"
_SHALLOW = MAX_DEPTH  # brackets; a body with no more than these cannot nest too deeply


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
