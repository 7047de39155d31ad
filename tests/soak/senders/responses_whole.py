"""`WHOLE`: changes to a whole response that must not change the client's answer, by name.

They apply to a response in JSON, or in a terminal event.
"""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

Resource = dict[str, Any]
WholeChange = Callable[[Resource, random.Random], Resource]


def is_call(item: dict[str, Any]) -> bool:
    """Whether an item calls a function."""
    return item.get("type") == "function_call"


def without(*names: str) -> WholeChange:
    """Removes these keys from the response."""

    def less(response: Resource, rng: random.Random) -> Resource:
        return {name: value for name, value in response.items() if name not in names}

    return less


def _of_items(*names: str) -> WholeChange:
    def less(response: Resource, rng: random.Random) -> Resource:
        for item in response["output"]:
            for name in names:
                item.pop(name, None)
        return response

    return less


def _item_twice(response: Resource, rng: random.Random) -> Resource:
    at = rng.randrange(len(response["output"]))
    response["output"].insert(at + 1, copy.deepcopy(response["output"][at]))
    return response


def _all_twice(response: Resource, rng: random.Random) -> Resource:
    response["output"] += copy.deepcopy(response["output"])
    return response


def _text_itself(response: Resource, rng: random.Random) -> Resource:
    """A content that is a string, or a part that is."""
    in_list = rng.random() < 0.5
    for item in response["output"]:
        if item["type"] == "message":
            text = item["content"][0]["text"]
            item["content"] = [text] if in_list else text
    return response


def _text_parts(response: Resource, rng: random.Random) -> Resource:
    for item in response["output"]:
        for part in item.get("content", ()):
            part["type"] = "text"
    return response


def _arguments_as_object(response: Resource, rng: random.Random) -> Resource:
    for item in filter(is_call, response["output"]):
        item["arguments"] = json.loads(item["arguments"])
    return response


def _stale_status(response: Resource, rng: random.Random) -> Resource:
    response["status"] = rng.choice((None, "", "COMPLETED", "done", "success"))
    return response


WHOLE: dict[str, WholeChange] = {
    "no ids of items": _of_items("id"),
    "no status of items": _of_items("status"),
    "no roles": _of_items("role"),
    "no status": without("status", "object"),
    "no more than the output": without("id", "created_at", "model", "status", "error", "tools"),
    "an item twice": _item_twice,
    "all items twice": _all_twice,
    "a text for its parts": _text_itself,
    "parts of type text": _text_parts,
    "arguments as an object": _arguments_as_object,
    "another word for completed": _stale_status,
}
