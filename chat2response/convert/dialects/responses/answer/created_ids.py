"""Collects the ids that a Responses upstream creates with an answer."""

import re
from collections.abc import Iterator
from typing import Any

_CONVERSATION = re.compile(rb'"conversation"\s*:\s*\{')


def mentions_stored_objects(body: bytes) -> bool:
    """Whether an answer that is not stored may name something that is: a container or a conversation."""
    return b"container_id" in body or _CONVERSATION.search(body) is not None


def owned_ids(response: dict[str, Any], *, stored: bool = True) -> list[str]:
    """The ids of a response, its conversation, its items and their containers, without duplicates.

    With `stored=False` only the containers count, which the upstream creates in any case. A response inside a
    conversation is stored whatever `store` says.
    """
    output = response.get("output")
    items = [item for item in output if type(item) is dict] if type(output) is list else []
    values: list[Any] = []
    conversation = response.get("conversation")
    if stored or type(conversation) is dict:
        values = [response.get("id"), conversation.get("id") if type(conversation) is dict else None]
        values += [item.get("id") for item in items]
    for item in items:
        values += container_ids(item)
    return _unique_strings(values)


def container_ids(item: dict[str, Any]) -> list[str]:
    """The containers that an item ran in, and those whose files its text cites."""
    values = [item.get("container_id")]
    environment = item.get("environment")
    if type(environment) is dict:
        values.append(environment.get("container_id"))
    values += _cited_containers(item.get("content"))
    return _unique_strings(values)


def _cited_containers(content: Any) -> Iterator[Any]:
    for part in content if type(content) is list else ():
        annotations = part.get("annotations") if type(part) is dict else None
        for each in annotations if type(annotations) is list else ():
            if type(each) is dict:
                yield each.get("container_id")


def _unique_strings(values: list[Any]) -> list[str]:
    return list(dict.fromkeys([each for each in values if type(each) is str and each]))
