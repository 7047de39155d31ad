"""Checks on the values of a request. Each raises InvalidRequest with the path of the wrong field."""

from typing import Any

from chat2response.errors import InvalidRequest


def invalid_value(path: str, message: str, code: str = "invalid_value") -> InvalidRequest:
    """The error for a field with a wrong value; `message` is a whole sentence."""
    return InvalidRequest(message, param=path, code=code)


def wrong_type(path: str, expected: str, value: Any) -> InvalidRequest:
    """The error for a value of the wrong JSON type, in OpenAI's words."""
    return invalid_value(
        path, f"Invalid type for '{path}': expected {expected}, but got {_type_name(value)}.", "invalid_type"
    )


def missing_field(path: str) -> InvalidRequest:
    """The error for a missing field that is required."""
    return invalid_value(path, f"Missing required parameter: '{path}'.", "missing_required_parameter")


def unsupported_field(path: str, message: str) -> InvalidRequest:
    """The error for a field that cannot be converted and must not be dropped."""
    return invalid_value(path, message, "unsupported_parameter")


def tool_choice_without_tools() -> InvalidRequest:
    """The error for a `tool_choice` that names a tool in a request that has none."""
    return invalid_value("tool_choice", "'tool_choice' requires a tool, but the request has no 'tools'.")


def require_body(value: Any) -> dict[str, Any]:
    """A request body: an object."""
    if type(value) is dict:
        return value
    raise InvalidRequest(
        f"The request body must be a JSON object, not {_type_name(value)}.", code="invalid_type"
    )


def require_string(value: Any, path: str) -> str:
    """A required string."""
    if type(value) is str:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "a string", value)


def require_object(value: Any, path: str) -> dict[str, Any]:
    """A required object."""
    if type(value) is dict:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "an object", value)


def require_array(value: Any, path: str) -> list[Any]:
    """A required array."""
    if type(value) is list:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "an array", value)


def require_boolean(value: Any, path: str) -> bool:
    """A required boolean."""
    if type(value) is bool:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "a boolean", value)


def require_integer(value: Any, path: str) -> int:
    """A required integer; booleans are not accepted."""
    if type(value) is int:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "an integer", value)


def require_number(value: Any, path: str) -> float:
    """A required number; booleans are not accepted."""
    if type(value) is int or type(value) is float:
        return value
    raise missing_field(path) if value is None else wrong_type(path, "a number", value)


def require_conversation(value: Any, path: str) -> str | dict[str, Any]:
    """A required conversation: its id, or an object with the id."""
    if type(value) is not str:
        require_string(require_object(value, path).get("id"), f"{path}.id")
    return value  # type: ignore[no-any-return]


def require_objects(value: Any, path: str) -> list[dict[str, Any]]:
    """A required array of objects."""
    if not {*map(type, require_array(value, path))} <= _OBJECTS:
        index, each = next((index, each) for index, each in enumerate(value) if type(each) is not dict)
        raise wrong_type(f"{path}[{index}]", "an object", each)
    return value  # type: ignore[no-any-return]


_OBJECTS = {dict}


def _type_name(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), "another type")
