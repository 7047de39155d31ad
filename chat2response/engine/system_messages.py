"""System messages where an upstream takes them: one at the head, later ones as marked texts of the user's.

Many chat templates refuse any other. A profile says so beforehand; where it does not, the upstream's refusal
does, and the request is written once more. Only for requests that we wrote: a client that speaks Chat itself
gets its upstream's own answer.
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
_UNRELATED_STATUSES = frozenset({401, 403, 404, 408, 413, 429, 503, 504})  # keys, limits, and who is there
_MAX_SEARCHED = 2048  # characters of a message that are looked at


def is_about_system_messages(message: str) -> bool:
    """Whether a refusal in these words is about system messages, or the role of one."""
    start = message[:_MAX_SEARCHED]
    return _mentions(start) is not None or ("role" in start and _quoted_role(start) is not None)


def can_merge_system_messages(
    error: UpstreamError, hub: HubRequest | None, plan: Plan, upstream: Upstream, fidelity: Fidelity
) -> bool:
    """Whether a request that was refused with this error can be sent with its system messages placed
    otherwise, and says something else then."""
    if hub is None or plan.target.dialect != "chat" or error.status in _UNRELATED_STATUSES:
        return False
    if error.code == "context_length_exceeded" or not is_about_system_messages(error.message):
        return False
    try:
        merged_body = upstream.body(hub, with_merged_system_messages(plan).target, Losses(fidelity))
    except BridgeError:  # a strict call loses nothing
        return False
    return merged_body != upstream.body(hub, plan.target, Losses())


def with_merged_system_messages(plan: Plan) -> Plan:
    """The same way to an upstream that takes one system message, at the head."""
    quirks = replace(plan.target.quirks, system_placement="first_only", developer_role=False)
    return replace(plan, target=replace(plan.target, quirks=quirks))
