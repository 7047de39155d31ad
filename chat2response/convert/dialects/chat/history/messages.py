"""Writes message items of every role, and reasoning items, as Chat messages."""

from collections.abc import Callable
from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.history.tool_outputs import COMMON_KEYS
from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.dialects.chat.request.content_parts import plain_text, write_part, write_parts
from chat2response.convert.reasoning.sealed_reasoning import open_reasoning
from chat2response.convert.validation import (
    invalid_value,
    missing_field,
    require_string,
    unsupported_field,
    wrong_type,
)

_Item = dict[str, Any]

_MESSAGE_KEYS = COMMON_KEYS | {"role", "content", "name", "phase"}
_REASONING_KEYS = COMMON_KEYS | {"summary", "content", "encrypted_content", "field"}

ROLES = {"user": "user", "system": "system", "developer": "developer"}
WITHOUT_DEVELOPER = {"user": "user", "system": "system", "developer": "system"}


def write_message(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Writes a user, developer or system message. An assistant message joins its turn instead."""
    role = item.get("role")
    if role == "assistant":
        _write_assistant_message(turns, index, item)
        return
    roles = ROLES if turns.quirks.developer_role else WITHOUT_DEVELOPER
    name = roles.get(role) if type(role) is str else None
    if name is None:
        path = f"{turns.path(index)}.role"
        raise invalid_value(
            path, f"A Chat Completions upstream does not accept the role '{require_string(role, path)}'."
        )
    turns.end_turn()
    content = item.get("content")
    if type(content) is not str:
        path = f"{turns.path(index)}.content"
        if type(content) is not list:
            raise _bad_content(content, path)
        quirks = turns.quirks
        content = write_parts(content, path, turns.losses, flatten=quirks.flatten_content, video=quirks.video)
    message = {"role": name, "content": content}
    if item.get("name") is not None and _accepts_name(turns, index):
        message["name"] = item["name"]
    if name == "user":
        turns.messages.append(message)
    else:
        turns.add_system_message(message, turns.path(index))
    if not _MESSAGE_KEYS.issuperset(item):
        unknown_fields.report_unknown(item, _MESSAGE_KEYS, turns.path(index), turns.losses)


def _accepts_name(turns: TurnBuilder, index: int) -> bool:
    if not turns.quirks.message_names:
        turns.losses.add(f"{turns.path(index)}.name")
    return turns.quirks.message_names


def _write_assistant_message(turns: TurnBuilder, index: int, item: _Item) -> None:
    turns.join(index, item, _MESSAGE_KEYS)
    if item.get("name") and _accepts_name(turns, index):
        turns.name = item["name"]
    content = item.get("content")
    if type(content) is str:
        if content:
            turns.parts.append({"type": "text", "text": content})
        return
    if type(content) is not list:
        raise _bad_content(content, f"{turns.path(index)}.content")
    for number, part in enumerate(content):
        plain = plain_text(part)
        if plain is None:
            _add_assistant_part(turns, part, f"{turns.path(index)}.content[{number}]")
        elif plain:
            turns.parts.append({"type": "text", "text": plain})


def _add_assistant_part(turns: TurnBuilder, part: Any, path: str) -> None:
    if type(part) is dict and part.get("type") == "refusal":
        turns.refusals.append(require_string(part.get("refusal"), f"{path}.refusal"))
        return
    converted = write_part(part, path, turns.losses)
    if converted["type"] != "text":
        raise unsupported_field(path, "An assistant message can hold only text and refusals.")
    if converted["text"]:
        turns.parts.append(converted)


def write_reasoning(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Sends sealed reasoning back unchanged; without a seal, the text that the client sends."""
    turns.join(index, item, _REASONING_KEYS)
    if item.get("encrypted_content") is not None:
        sealed = open_reasoning(item["encrypted_content"], turns.hub.seal)
        if sealed is not None:
            turns.reasoning(index).add_sealed(sealed)
            return
        turns.losses.add(f"{turns.path(index)}.encrypted_content")
    for key in ("content", "summary"):
        parts = item.get(key)
        if parts:
            if type(parts) is not list:
                raise wrong_type(f"{turns.path(index)}.{key}", "an array", parts)
            for number, part in enumerate(parts):
                reasoning_text = part.get("text") if type(part) is dict else None
                if type(reasoning_text) is not str:
                    raise _bad_reasoning_part(part, f"{turns.path(index)}.{key}[{number}]")
                turns.reasoning(index).add_visible(reasoning_text)
            break


def _bad_reasoning_part(part: Any, path: str) -> Exception:
    if type(part) is not dict:
        return wrong_type(path, "an object", part)
    if part.get("text") is None:
        return missing_field(f"{path}.text")
    return wrong_type(f"{path}.text", "a string", part["text"])


def _bad_content(content: Any, path: str) -> Exception:
    return missing_field(path) if content is None else wrong_type(path, "a string or an array", content)


ITEMS: dict[str, Callable[[TurnBuilder, int, _Item], None]] = {
    "message": write_message,
    "reasoning": write_reasoning,
}
