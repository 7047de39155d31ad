"""Corrects a request whose form the upstream rejected, for one retry before the first byte."""

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity
from chat2response.engine.merged_system_messages import can_merge_system_messages, with_merged_system_messages
from chat2response.engine.plan import Plan
from chat2response.engine.text_input_retry import can_send_text, with_text_input
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Upstream


def corrected_plan(
    error: UpstreamError, hub: HubRequest | None, plan: Plan, upstream: Upstream, fidelity: Fidelity
) -> Plan | None:
    """The plan for the retry, or None if nothing can be corrected.

    `hub`: the request that the body was written from, if the gateway wrote it. Each correction happens once:
    the plan that it returns leaves nothing more to correct.
    """
    if error.refused_input and can_send_text(hub, plan):
        return with_text_input(plan)
    if can_merge_system_messages(error, hub, plan, upstream, fidelity):
        return with_merged_system_messages(plan)
    return None
