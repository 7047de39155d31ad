"""Removes encrypted reasoning from a request after the upstream failed to decrypt it.

A client that stores no state sends reasoning back as `encrypted_content`, and only its sealer can open it.
After a change of the account or the vendor, or after a Chat upstream (for which the gateway seals reasoning),
every later turn of the session would fail. The gateway acts only once that has happened.
"""

from typing import Any

from chat2response.convert.losses import Losses
from chat2response.convert.reasoning.sealed_reasoning import is_seal
from chat2response.wire.json import JSONError, decode
from chat2response.wire.json_edit import with_value, without_elements
from chat2response.wire.json_members import elements, last_values

_CODE = "invalid_encrypted_content"
_MESSAGE_PARTS = ("encrypted content", "could not be verified")  # Azure and others send no code


def strip_reasoning(body: bytes, refusal: bytes, losses: Losses) -> bytes | None:
    """A Responses request without the reasoning that the upstream cannot decrypt. All other items keep their
    bytes.

    Returns None if the error is about something else, or if no reasoning is encrypted. Whole items are
    removed: without its content, an item's id is unknown to this upstream. `refusal`: the body of the 400
    answer.
    """
    if not _is_about_encrypted_content(refusal):
        return None
    try:
        items = last_values(body).get("input", b"")
    except JSONError:  # a key that is not UTF-8 was relayed unread, and stays so
        return None
    contents = map(_encrypted_content, elements(items))
    sealed = {at: content for at, content in enumerate(contents) if content is not None}
    ours = {at for at, content in sealed.items() if type(content) is str and is_seal(content)}
    dropped = ours or set(sealed)  # an upstream that cannot open ours may have sealed the others
    if not dropped:
        return None
    for at in sorted(dropped):
        losses.add(f"input[{at}]", "dropped: the upstream cannot open its encrypted_content")
    return with_value(body, "input", without_elements(items, dropped))


def _is_about_encrypted_content(refusal: bytes) -> bool:
    try:
        value = decode(refusal)
    except JSONError:
        return False
    error = value.get("error") if type(value) is dict else None
    if type(error) is not dict:
        return False
    message = error.get("message")
    return error.get("code") == _CODE or (
        type(message) is str and all(part in message for part in _MESSAGE_PARTS)
    )


def _encrypted_content(element: bytes) -> Any:
    """The `encrypted_content` of a reasoning item; None for any other element."""
    try:
        item = decode(element)
    except JSONError:
        return None
    is_reasoning = type(item) is dict and item.get("type") == "reasoning"
    return item.get("encrypted_content") if is_reasoning else None
