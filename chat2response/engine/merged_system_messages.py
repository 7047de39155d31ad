"""Merges system messages where an upstream rejects their position: one at the head, later ones as user texts.

Many chat templates accept only one system message. The upstream's profile says so beforehand; without it, the
upstream's error does, and the request is written once more. This holds for requests that the gateway wrote: a
client that speaks Chat itself gets the upstream's own answer.
"""

import re
from dataclasses import replace

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.engine.plan import Plan
from chat2response.errors import BridgeError, UpstreamError
from chat2response.upstreams.base import Upstream

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


def can_merge_system_messages(
    error: UpstreamError, hub: HubRequest | None, plan: Plan, upstream: Upstream, fidelity: Fidelity
) -> bool:
    """Whether the rejected request can be sent with merged system messages, and would differ."""
    if hub is None or plan.target.dialect != "chat" or error.status in _UNRELATED_STATUSES:
        return False
    if error.code == "context_length_exceeded" or not is_about_system_messages(error.message):
        return False
    try:
        merged_body = upstream.body(hub, with_merged_system_messages(plan).target, Losses(fidelity))
    except BridgeError:  # strict fidelity permits no loss
        return False
    return merged_body != upstream.body(hub, plan.target, Losses())


def with_merged_system_messages(plan: Plan) -> Plan:
    """The plan with an upstream that takes one system message, at the head."""
    quirks = replace(plan.target.quirks, system_placement="first_only", developer_role=False)
    return replace(plan, target=replace(plan.target, quirks=quirks))
