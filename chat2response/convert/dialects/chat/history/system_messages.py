"""Rewrites system messages for backends that accept only one, or only at the start of a conversation.

No message ever moves to the front, because that would invalidate all cached bytes (law 5, prompt cache).
"""

from typing import Any

_Message = dict[str, Any]

ROLES = ("system", "developer")
_OPENING, _CLOSING = "<system_message>", "</system_message>"


def join_system_messages(head: list[_Message]) -> _Message:
    """Joins the leading system messages into one, with the role of the first."""
    contents = [message["content"] for message in head]
    if len(contents) == 1:
        content: Any = contents[0]
    elif all(type(each) is str for each in contents):
        content = "\n\n".join(contents)
    else:
        content = [part for each in contents for part in _parts(each)]
    return {**head[0], "content": content}


def as_user_message(content: Any) -> _Message:
    """Turns a system message into a user message, with its text between `<system_message>` tags."""
    if type(content) is str:
        return {"role": "user", "content": f"{_OPENING}\n{content}\n{_CLOSING}"}
    return {"role": "user", "content": [*_parts(_OPENING), *content, *_parts(_CLOSING)]}


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if type(content) is str else content
