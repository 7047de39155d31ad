"""The ids in a Responses request by which an upstream finds what it keeps.

Two kinds: a *reference* names something that the request does not bring along, and must be the tenant's; an
id *beside its payload* (Codex sends one of its own with every item) may be nobody's, but not another's.

Files, vector stores, prompts, skills, connectors and tunnels are not looked at: no answer makes one. They are
the account's, put there by its operator for every key. `call_id` is no id of the upstream's either: it pairs
a call with its output.

A shape that no client sends is refused: what is not understood here might be understood upstream.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.convert.validation import invalid_value, require_conversation, wrong_type
from chat2response.errors import InvalidRequest, NotFound
from chat2response.wire.reference_scan import ITEM_PAYLOADS, MAY_BE_EMPTY

MOST_IDS = 10_000  # that one request may name: they are one look-up in the store

Refusal = Callable[[str], InvalidRequest | NotFound]

_PAYLOADS = frozenset(name for names in ITEM_PAYLOADS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Reference:
    """One id. `must_own`: nobody's is refused, too. `refusal`: what an unknown id gets."""

    id: str
    refusal: Refusal
    must_own: bool = True


def no_item(id: str) -> NotFound:
    """404: the item is unknown, or another's."""
    return NotFound(f"Item with id '{id}' not found.", param="input")


def references(fields: Mapping[str, Any]) -> list[Reference]:
    """All of them. Raises InvalidRequest for a shape that nobody sends."""
    found = [*_of_the_request(fields), *_of_items(fields.get("input"))]
    found += _of_tools(fields.get("tools"), "tools")
    return found


def too_many(count: int) -> InvalidRequest:
    """400: more ids than one look-up may have."""
    return invalid_value(
        "input",
        f"The request names {count} ids; {MOST_IDS} at most. Leave out the ids of items that you send whole.",
        "too_many_references",
    )


def _of_the_request(fields: Mapping[str, Any]) -> Iterator[Reference]:
    if id := _id(fields.get("previous_response_id"), "previous_response_id"):
        yield Reference(id, _no_response("previous_response_id"))
    if (held := fields.get("conversation")) is not None:
        named = require_conversation(held, "conversation")
        if id := named if type(named) is str else named["id"]:  # type: ignore[index]
            yield Reference(id, _no_conversation)
    options = fields.get("prompt_cache_options")
    if type(options) is dict:
        path = "prompt_cache_options.comparison_response_id"
        if id := _id(options.get("comparison_response_id"), path):
            yield Reference(id, _no_response(path))


def _of_items(value: Any) -> list[Reference]:
    if value is None or type(value) is str:
        return []
    if type(value) is not list:
        raise wrong_type("input", "a string or an array", value)
    found: list[Reference] = []
    asked: list[str] = []  # approvals that may be requested in the same input
    for at, item in enumerate(value):
        path = f"input[{at}]"
        if type(item) is list:
            raise wrong_type(path, "an object", item)
        if type(item) is dict:
            found += _of_item(item, path, asked)
    here = {each.id for each in found if not each.must_own}
    found += [Reference(id, no_item, must_own=id not in here) for id in asked]
    return found


def _of_item(item: dict[str, Any], path: str, asked: list[str]) -> Iterator[Reference]:
    bare = _is_bare(item)
    if id := _id(item.get("id"), f"{path}.id"):
        yield Reference(id, no_item, must_own=bare)
    if id := _id(item.get("container_id"), f"{path}.container_id"):
        yield Reference(id, _no_container("input"), must_own=bare)
    if id := _id(item.get("approval_request_id"), f"{path}.approval_request_id"):
        asked.append(id)
    yield from _of_environment(item.get("environment"), f"{path}.environment", must_own=bare)
    if item.get("tools") is not None:
        yield from _of_tools(item["tools"], f"{path}.tools")


def _is_bare(item: dict[str, Any]) -> bool:
    """Whether it is a reference: an item without its payload. The API lets a reference leave its type out."""
    kind, role = item.get("type"), item.get("role")
    if kind is None and role is None:
        return True
    if kind is None or kind == "":
        kind = "message"
    if type(kind) is not str:
        raise wrong_type("input", "an item whose type is a string", kind)
    names = ITEM_PAYLOADS.get(kind)
    if names is None:  # `item_reference`, or a vendor's
        names = () if kind == "item_reference" else tuple(_PAYLOADS)
        return not any(_says_something(item, name) for name in names)
    return bool(names) and not any(_says_something(item, name) for name in names)


def _says_something(item: dict[str, Any], name: str) -> bool:
    value = item.get(name)
    return value is not None and (name in MAY_BE_EMPTY or value not in ("", [], {}))


def _of_tools(value: Any, path: str) -> Iterator[Reference]:
    """Of tools, and of those in a namespace."""
    if value is None:
        return
    if type(value) is not list:
        raise wrong_type(path, "an array", value)
    waiting = [(tool, f"{path}[{at}]") for at, tool in enumerate(value)]
    for tool, place in waiting:  # grows while it is walked
        if type(tool) is list:
            raise wrong_type(place, "an object", tool)
        if type(tool) is not dict:
            continue
        yield from _of_container(tool.get("container"), f"{place}.container")
        yield from _of_environment(tool.get("environment"), f"{place}.environment")
        inner = tool.get("tools")
        if inner is not None:
            if type(inner) is not list:
                raise wrong_type(f"{place}.tools", "an array", inner)
            waiting += [(each, f"{place}.tools[{at}]") for at, each in enumerate(inner)]


def _of_container(value: Any, path: str) -> Iterator[Reference]:
    if type(value) is dict:
        for name in ("id", "container_id"):
            if id := _id(value.get(name), f"{path}.{name}"):
                yield Reference(id, _no_container(path))
    elif id := _id(value, path):
        yield Reference(id, _no_container(path))


def _of_environment(value: Any, path: str, *, must_own: bool = True) -> Iterator[Reference]:
    """Of a shell, an object; of a computer, a word."""
    if type(value) is dict:
        if id := _id(value.get("container_id"), f"{path}.container_id"):
            yield Reference(id, _no_container(path), must_own=must_own)
    elif value is not None and type(value) is not str:
        raise wrong_type(path, "an object", value)


def _id(value: Any, path: str) -> str | None:
    """An id; an empty one names nothing."""
    if value is None or type(value) is str:
        return value or None
    raise wrong_type(path, "a string", value)


def _no_response(param: str) -> Refusal:
    def refusal(id: str) -> InvalidRequest:
        message = f"Previous response with id '{id}' not found."
        return InvalidRequest(message, param=param, code="previous_response_not_found")

    return refusal


def _no_conversation(id: str) -> NotFound:
    return NotFound(f"Conversation with id '{id}' not found.", param="conversation")


def _no_container(param: str) -> Refusal:
    return lambda id: NotFound(f"Container with id '{id}' not found.", param=param)
