"""Finds the ids in a Responses request by which the upstream looks up stored objects.

There are two kinds. A *reference* names something that the request does not contain, and must belong to the
tenant. An id *beside its payload* (Codex sends its own with every item) may be unknown, but must not belong
to another tenant.

Files, vector stores, prompts, skills, connectors and tunnels are not checked: answers never create them; the
operator puts them into the account for every key. `call_id` is not an upstream id: it pairs a call with its
output.

A shape that no client sends is rejected, since the upstream might understand what the gateway does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chat2response.convert.dialects.references import Reference, Refusal, unknown_item
from chat2response.convert.validation import require_conversation, wrong_type
from chat2response.errors import InvalidRequest, NotFound
from chat2response.wire.reference_scan import ITEM_PAYLOADS, MAY_BE_EMPTY

_PAYLOADS = frozenset(name for names in ITEM_PAYLOADS.values() for name in names)


def references(fields: Mapping[str, Any]) -> list[Reference]:
    """All references and ids of a request. Raises InvalidRequest for a shape that no client sends."""
    result = [*_in_request(fields), *_in_items(fields.get("input"))]
    result += _in_tools(fields.get("tools"), "tools")
    return result


def _in_request(fields: Mapping[str, Any]) -> Iterator[Reference]:
    if id := _id(fields.get("previous_response_id"), "previous_response_id"):
        yield Reference(id, _unknown_response("previous_response_id"))
    if (value := fields.get("conversation")) is not None:
        conversation_id = require_conversation(value, "conversation")
        if id := conversation_id if type(conversation_id) is str else conversation_id["id"]:  # type: ignore[index]
            yield Reference(id, _unknown_conversation)
    options = fields.get("prompt_cache_options")
    if type(options) is dict:
        path = "prompt_cache_options.comparison_response_id"
        if id := _id(options.get("comparison_response_id"), path):
            yield Reference(id, _unknown_response(path))


def _in_items(value: Any) -> list[Reference]:
    if value is None or type(value) is str:
        return []
    if type(value) is not list:
        raise wrong_type("input", "a string or an array", value)
    result: list[Reference] = []
    approval_ids: list[str] = []  # approval requests, which the same input may contain
    for at, item in enumerate(value):
        path = f"input[{at}]"
        if type(item) is list:
            raise wrong_type(path, "an object", item)
        if type(item) is dict:
            result += _in_item(item, path, approval_ids)
    payload_ids = {each.id for each in result if not each.must_own}
    result += [Reference(id, unknown_item, must_own=id not in payload_ids) for id in approval_ids]
    return result


def _in_item(item: dict[str, Any], path: str, approval_ids: list[str]) -> Iterator[Reference]:
    is_reference = _is_reference(item)
    if id := _id(item.get("id"), f"{path}.id"):
        yield Reference(id, unknown_item, must_own=is_reference)
    if id := _id(item.get("container_id"), f"{path}.container_id"):
        yield Reference(id, _unknown_container("input"), must_own=is_reference)
    if id := _id(item.get("approval_request_id"), f"{path}.approval_request_id"):
        approval_ids.append(id)
    yield from _in_environment(item.get("environment"), f"{path}.environment", must_own=is_reference)
    if item.get("tools") is not None:
        yield from _in_tools(item["tools"], f"{path}.tools")


def _is_reference(item: dict[str, Any]) -> bool:
    """Whether the item has no payload. The API allows a reference without a type."""
    kind, role = item.get("type"), item.get("role")
    if kind is None and role is None:
        return True
    if kind is None or kind == "":
        kind = "message"
    if type(kind) is not str:
        raise wrong_type("input", "an item whose type is a string", kind)
    names = ITEM_PAYLOADS.get(kind)
    if names is None:  # `item_reference`, or a vendor's own type
        names = () if kind == "item_reference" else tuple(_PAYLOADS)
        return not any(_has_content(item, name) for name in names)
    return bool(names) and not any(_has_content(item, name) for name in names)


def _has_content(item: dict[str, Any], name: str) -> bool:
    value = item.get(name)
    return value is not None and (name in MAY_BE_EMPTY or value not in ("", [], {}))


def _in_tools(value: Any, path: str) -> Iterator[Reference]:
    """The references of tools, including those in namespaces."""
    if value is None:
        return
    if type(value) is not list:
        raise wrong_type(path, "an array", value)
    waiting = [(tool, f"{path}[{at}]") for at, tool in enumerate(value)]
    for tool, tool_path in waiting:  # grows during the loop
        if type(tool) is list:
            raise wrong_type(tool_path, "an object", tool)
        if type(tool) is not dict:
            continue
        yield from _in_container(tool.get("container"), f"{tool_path}.container")
        yield from _in_environment(tool.get("environment"), f"{tool_path}.environment")
        inner = tool.get("tools")
        if inner is not None:
            if type(inner) is not list:
                raise wrong_type(f"{tool_path}.tools", "an array", inner)
            waiting += [(each, f"{tool_path}.tools[{at}]") for at, each in enumerate(inner)]


def _in_container(value: Any, path: str) -> Iterator[Reference]:
    if type(value) is dict:
        for name in ("id", "container_id"):
            if id := _id(value.get(name), f"{path}.{name}"):
                yield Reference(id, _unknown_container(path))
    elif id := _id(value, path):
        yield Reference(id, _unknown_container(path))


def _in_environment(value: Any, path: str, *, must_own: bool = True) -> Iterator[Reference]:
    """The environment of a shell is an object, that of a computer a string."""
    if type(value) is dict:
        if id := _id(value.get("container_id"), f"{path}.container_id"):
            yield Reference(id, _unknown_container(path), must_own=must_own)
    elif value is not None and type(value) is not str:
        raise wrong_type(path, "an object", value)


def _id(value: Any, path: str) -> str | None:
    """The id at `path`; None if it is empty. Raises InvalidRequest."""
    if value is None or type(value) is str:
        return value or None
    raise wrong_type(path, "a string", value)


def _unknown_response(param: str) -> Refusal:
    def refusal(id: str) -> InvalidRequest:
        message = f"Previous response with id '{id}' not found."
        return InvalidRequest(message, param=param, code="previous_response_not_found")

    return refusal


def _unknown_conversation(id: str) -> NotFound:
    return NotFound(f"Conversation with id '{id}' not found.", param="conversation")


def _unknown_container(param: str) -> Refusal:
    return lambda id: NotFound(f"Container with id '{id}' not found.", param=param)
