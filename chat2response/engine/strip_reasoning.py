"""Reasoning that the upstream cannot open, left out of a request that it refused for it.

A client that keeps no state sends its reasoning back sealed (`encrypted_content`), and only who sealed it can
open it: after a change of the account, the vendor, or from a Chat upstream (whose reasoning the gateway
seals) every further turn of the session would be refused. That is looked at only once it has happened.
"""

from typing import Any

from chat2response.convert.losses import Losses
from chat2response.state.sealing import is_ours
from chat2response.wire.json import JSONError, decode
from chat2response.wire.json_edit import with_value, without_elements
from chat2response.wire.json_members import elements, last_values

_CODE = "invalid_encrypted_content"
_MESSAGE_PARTS = ("encrypted content", "could not be verified")  # Azure and others send no code


def strip_reasoning(body: bytes, refusal: bytes, losses: Losses) -> bytes | None:
    """A Responses request without the reasoning that its upstream refused; None where it refused something
    else, or no reasoning is sealed. The other items keep their bytes.

    The whole item goes: without what is sealed, its id names something that this upstream does not have.
    `refusal`: the body that came with status 400.
    """
    if not _is_about_encrypted_content(refusal):
        return None
    try:
        items = last_values(body).get("input", b"")
    except JSONError:  # a key that is no UTF-8: it passed unread, and passes so again
        return None
    contents = map(_encrypted_content, elements(items))
    sealed = {at: content for at, content in enumerate(contents) if content is not None}
    ours = {at for at, content in sealed.items() if type(content) is str and is_ours(content)}
    dropped = ours or set(sealed)  # who cannot open ours may well have sealed the others
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
    """What is sealed in an item that is reasoning; else None."""
    try:
        item = decode(element)
    except JSONError:
        return None
    is_reasoning = type(item) is dict and item.get("type") == "reasoning"
    return item.get("encrypted_content") if is_reasoning else None
