"""Instructions for backends that take one system message, at the head, and no other.

Merging moves what was said later to the front, and so changes the beginning of a longer history: only where
a profile asks for it.
"""

from typing import Any

_Message = dict[str, Any]

ROLES = ("system", "developer")


def merged(messages: list[_Message]) -> list[_Message]:
    """All instructions as one first message, in their order; the others after it."""
    said = [message for message in messages if message["role"] in ROLES]
    if not said:
        return messages
    contents = [message["content"] for message in said]
    if all(type(content) is str for content in contents):
        content: Any = "\n\n".join(contents)
    else:
        content = [part for each in contents for part in _parts(each)]
    others = [message for message in messages if message["role"] not in ROLES]
    return [{**said[0], "content": content}, *others]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if type(content) is str else content
