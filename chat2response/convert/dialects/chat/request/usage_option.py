"""Requests the usage of a stream, in a Chat body that the client wrote itself."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import unsupported_field


def check_convertible(hub: HubRequest) -> None:
    """Raises InvalidRequest for what a converted answer from a Chat upstream cannot have."""
    for name in ("background", "conversation", "previous_response_id"):
        if hub.body.get(name):
            raise unsupported_field(
                name, f"'{name}' needs a Responses upstream. This one speaks Chat Completions."
            )
    if (hub.extra.get("n") or 1) != 1:
        raise unsupported_field("n", "'n' must be 1 here: a response has one answer.")


def with_usage_option(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a stream, with the option to report its usage."""
    options = fields.get("stream_options")
    options = options if type(options) is dict else {}
    return {**fields, "stream_options": {**options, "include_usage": True}}


def with_hidden_usage(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The body, whose stream reports its usage, and whether the client did not request that."""
    options = fields.get("stream_options")
    requested = type(options) is dict and options.get("include_usage") is True
    if fields.get("stream") is not True or requested:
        return fields, False
    return with_usage_option(fields), True
