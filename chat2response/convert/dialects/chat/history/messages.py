"""What was said: messages of every role, and the model's reasoning."""

from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.history.tool_outputs import ANY
from chat2response.convert.dialects.chat.history.turns import Turns
from chat2response.convert.dialects.chat.request.content_parts import plain_text, write_part, write_parts
from chat2response.convert.sealed_reasoning import open_reasoning
from chat2response.convert.validation import (
    invalid_value,
    missing_field,
    require_string,
    unsupported_field,
    wrong_type,
)

_Item = dict[str, Any]

_MESSAGE_KEYS = ANY | {"role", "content", "name", "phase"}
_REASONING_KEYS = ANY | {"summary", "content", "encrypted_content", "field"}

ROLES = {"user": "user", "system": "system", "developer": "developer"}
WITHOUT_DEVELOPER = {"user": "user", "system": "system", "developer": "system"}


def write_message(turns: Turns, index: int, item: _Item) -> None:
    """A message of a user, a developer or the system; an assistant's joins its turn."""
    role = item.get("role")
    if role == "assistant":
        _answer(turns, index, item)
        return
    roles = ROLES if turns.quirks.developer_role else WITHOUT_DEVELOPER
    name = roles.get(role) if type(role) is str else None
    if name is None:
        path = f"{turns.path(index)}.role"
        raise invalid_value(
            path, f"A message of role '{require_string(role, path)}' cannot be sent to a Chat upstream."
        )
    turns.end()
    content = item.get("content")
    if type(content) is not str:
        path = f"{turns.path(index)}.content"
        if type(content) is not list:
            raise _no_array(content, path)
        quirks = turns.quirks
        content = write_parts(content, path, turns.losses, flatten=quirks.flatten_content, video=quirks.video)
    message = {"role": name, "content": content}
    if item.get("name") is not None and _may_name(turns, index):
        message["name"] = item["name"]
    if name == "user":
        turns.messages.append(message)
    else:
        turns.system(message, turns.path(index))
    if not _MESSAGE_KEYS.issuperset(item):
        unknown_fields.report_unknown(item, _MESSAGE_KEYS, turns.path(index), turns.losses)


def _may_name(turns: Turns, index: int) -> bool:
    if not turns.quirks.message_names:
        turns.losses.add(f"{turns.path(index)}.name")
    return turns.quirks.message_names


def _answer(turns: Turns, index: int, item: _Item) -> None:
    turns.join(index, item, _MESSAGE_KEYS)
    if item.get("name") and _may_name(turns, index):
        turns.name = item["name"]
    content = item.get("content")
    if type(content) is str:
        content = [{"type": "text", "text": content}] if content else []
    elif type(content) is not list:
        raise _no_array(content, f"{turns.path(index)}.content")
    for number, part in enumerate(content):
        plain = plain_text(part)
        if plain is None:
            _answer_part(turns, part, f"{turns.path(index)}.content[{number}]")
        elif plain:
            turns.parts.append({"type": "text", "text": plain})


def _answer_part(turns: Turns, part: Any, path: str) -> None:
    if type(part) is dict and part.get("type") == "refusal":
        turns.refusals.append(require_string(part.get("refusal"), f"{path}.refusal"))
        return
    made = write_part(part, path, turns.losses)
    if made["type"] != "text":
        raise unsupported_field(path, "An assistant's message can hold text and refusals only.")
    if made["text"]:
        turns.parts.append(made)


def write_reasoning(turns: Turns, index: int, item: _Item) -> None:
    """What was sealed here goes back as it was; else what the client shows of it."""
    turns.join(index, item, _REASONING_KEYS)
    if item.get("encrypted_content") is not None:
        thought = open_reasoning(item["encrypted_content"], turns.hub.seal)
        if thought is not None:
            turns.thoughts(index).opened(thought)
            return
        turns.losses.add(f"{turns.path(index)}.encrypted_content")
    for key in ("content", "summary"):
        parts = item.get(key)
        if parts:
            if type(parts) is not list:
                raise wrong_type(f"{turns.path(index)}.{key}", "an array", parts)
            for number, part in enumerate(parts):
                said = part.get("text") if type(part) is dict else None
                if type(said) is not str:
                    raise _no_thought(part, f"{turns.path(index)}.{key}[{number}]")
                turns.thoughts(index).shown(said)
            break


def _no_thought(part: Any, path: str) -> Exception:
    if type(part) is not dict:
        return wrong_type(path, "an object", part)
    if part.get("text") is None:
        return missing_field(f"{path}.text")
    return wrong_type(f"{path}.text", "a string", part["text"])


def _no_array(content: Any, path: str) -> Exception:
    return missing_field(path) if content is None else wrong_type(path, "a string or an array", content)


ITEMS: dict[str, Callable[[Turns, int, _Item], None]] = {
    "message": write_message,
    "reasoning": write_reasoning,
}
