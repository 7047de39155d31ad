"""Merges system messages where an upstream rejects their position: one at the head, later ones as user texts.

Many chat templates accept only one system message. The upstream's profile says so beforehand; without it, the
upstream's error does, and the request is written once more. This holds for requests that the gateway wrote: a
client that speaks Chat itself gets the upstream's own answer.
"""

import re
from dataclasses import replace

from chat2response.convert.dialects.chat.request.request import write_request
from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.errors import BridgeError, UpstreamError

_mentions = re.compile(
    r"\b(?:system|developer)\W{1,3}(?:message|role|prompt|instruction)s?\b"
    r"|\brole\W{1,4}(?:system|developer)\b",
    re.IGNORECASE,
).search
_quoted_role = re.compile(r"""['"`](?:system|developer)['"`]""").search
_UNRELATED_STATUSES = frozenset({401, 403, 404, 408, 413, 429, 503, 504})  # keys, limits, availability
_MAX_SEARCHED = 2048  # characters of an error message


def is_about_system_messages(message: str) -> bool:
    """Whether an error message is about system messages or their role."""
    start = message[:_MAX_SEARCHED]
    return _mentions(start) is not None or ("role" in start and _quoted_role(start) is not None)


def backend_for_merged(
    error: UpstreamError, hub: HubRequest, backend: Backend, fidelity: Fidelity
) -> Backend | None:
    """The backend, taking one system message at the head, after it rejected others.

    None if the error is about something else, or if the request would be the same.
    """
    if error.status in _UNRELATED_STATUSES or error.code == "context_length_exceeded":
        return None
    if not is_about_system_messages(error.message):
        return None
    quirks = replace(backend.quirks, system_placement="first_only", developer_role=False)
    try:
        merged = write_request(hub, Losses(fidelity), quirks, policy=backend.policy)
    except BridgeError:  # strict fidelity permits no loss
        return None
    same = merged == write_request(hub, Losses(), backend.quirks, policy=backend.policy)
    return None if same else replace(backend, quirks=quirks)
