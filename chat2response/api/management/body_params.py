"""JSON bodies of the management endpoints: limited in size, validated without type coercion."""

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from chat2response.api.management.middleware import outer_request
from chat2response.convert.requests.request_body import read_object
from chat2response.convert.validation import invalid_value, missing_field, wrong_type
from chat2response.errors import InvalidRequest

MAX_BODY = 64 * 1024  # bytes
_MAX_SHOWN = 100  # characters of a field's name that are looked at

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
}

Body = TypeVar("Body", bound="StrictBody")


class StrictBody(BaseModel):
    """A body whose fields must have exactly the declared types; unknown fields are rejected."""

    model_config = ConfigDict(strict=True, extra="forbid")


def json_body(shape: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads the request's body as `shape`. The guard has checked its media type.

    The dependency raises InvalidRequest, PayloadTooLarge.
    """

    hint = _hint(shape)

    async def read(request: Request) -> Body:
        body = await outer_request(request.scope).body(MAX_BODY)
        if not body.strip():
            raise InvalidRequest(f"The request body is empty. {hint}.", code="invalid_json")
        return parse(shape, read_object(body))

    return read


def _hint(shape: type[StrictBody]) -> str:
    """The smallest valid body, in words."""
    required = [f"'{name}'" for name, field in shape.model_fields.items() if field.is_required()]
    return f"Send a JSON object with {' and '.join(required)}" if required else "Send {} for the defaults"


def parse(shape: type[Body], fields: dict[str, Any]) -> Body:
    """`fields` as `shape`. Raises InvalidRequest for the first error."""
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        raise _explain(error, shape) from None


def _explain(error: ValidationError, shape: type[StrictBody]) -> InvalidRequest:
    fault = error.errors(include_url=False)[0]
    path, kind = _path(fault["loc"]), fault["type"]
    if kind == "missing":
        return missing_field(path)
    if kind == "extra_forbidden":
        near = [name for name in shape.model_fields if name.startswith(f"{path}_")] or get_close_matches(
            path, shape.model_fields, n=1
        )
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return invalid_value(path, f"Unknown parameter: '{path}'.{hint}", "unknown_parameter")
    if kind in _EXPECTED:
        return wrong_type(path, _EXPECTED[kind], fault["input"])
    return invalid_value(path, f"Invalid value for '{path}': {fault['msg']}.")


def _path(loc: tuple[int | str, ...]) -> str:
    """Formats `("scopes", 0)` as `scopes[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")[
        :_MAX_SHOWN
    ]
