"""Reasoning that the upstream cannot open, left out of a request that it refused for it.

A client that keeps no state sends its reasoning back sealed (`encrypted_content`), and only who sealed it can
open it: after a change of the account, the vendor, or from a Chat upstream (whose reasoning the gateway
seals) every further turn of the session would be refused. That is looked at only once it has happened.
"""

from typing import Any

from chat2response.convert.losses import Losses
from chat2response.state.sealing import is_seal
from chat2response.wire.json import JSONError, decode
from chat2response.wire.json_edit import with_value, without_elements
from chat2response.wire.json_members import elements, last_values

_CODE = "invalid_encrypted_content"
_WORDS = ("encrypted content", "could not be verified")  # Azure and others send no code


def unsealed(body: bytes, refusal: bytes, losses: Losses) -> bytes | None:
    """A Responses request without the reasoning that its upstream refused; None where it refused something
    else, or no reasoning is sealed. The other items keep their bytes.

    The whole item goes: without what is sealed, its id names something that this upstream does not have.
    `refusal`: the body that came with status 400.
    """
    if not _is_about_a_seal(refusal):
        return None
    try:
        items = last_values(body).get("input", b"")
    except JSONError:  # a key that is no UTF-8: it passed unread, and passes so again
        return None
    blobs = map(_blob, elements(items))
    sealed = {at: blob for at, blob in enumerate(blobs) if blob is not None}
    ours = {at for at, blob in sealed.items() if type(blob) is str and is_seal(blob)}
    left_out = ours or set(sealed)  # who cannot open ours may well have sealed the others
    if not left_out:
        return None
    for at in sorted(left_out):
        losses.add(f"input[{at}]", "dropped: the upstream cannot open its encrypted_content")
    return with_value(body, "input", without_elements(items, left_out))


def _is_about_a_seal(refusal: bytes) -> bool:
    try:
        said = decode(refusal)
    except JSONError:
        return False
    error = said.get("error") if type(said) is dict else None
    if type(error) is not dict:
        return False
    message = error.get("message")
    return error.get("code") == _CODE or (type(message) is str and all(words in message for words in _WORDS))


def _blob(element: bytes) -> Any:
    """What is sealed in an item that is reasoning; else None."""
    try:
        item = decode(element)
    except JSONError:
        return None
    is_reasoning = type(item) is dict and item.get("type") == "reasoning"
    return item.get("encrypted_content") if is_reasoning else None
