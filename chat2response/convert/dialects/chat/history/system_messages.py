"""System messages for backends that want them at the head, as one, or nowhere else.

Nothing is ever moved to the front: a changed head costs the whole prompt cache.
"""

from typing import Any

_Message = dict[str, Any]

ROLES = ("system", "developer")
_OPENING, _CLOSING = "<system_message>", "</system_message>"


def joined(head: list[_Message]) -> _Message:
    """The system messages at the head as one, of the first one's role."""
    contents = [message["content"] for message in head]
    if len(contents) == 1:
        content: Any = contents[0]
    elif all(type(each) is str for each in contents):
        content = "\n\n".join(contents)
    else:
        content = [part for each in contents for part in _parts(each)]
    return {**head[0], "content": content}


def marked(content: Any) -> _Message:
    """A system message as the user's text, between tags that say what it is."""
    if type(content) is str:
        return {"role": "user", "content": f"{_OPENING}\n{content}\n{_CLOSING}"}
    return {"role": "user", "content": [*_parts(_OPENING), *content, *_parts(_CLOSING)]}


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if type(content) is str else content
