"""A request that its upstream refused for its form, corrected: asked once more, before the first byte."""

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity
from chat2response.engine.plan import Plan
from chat2response.engine.system_messages import can_merge_system_messages, with_merged_system_messages
from chat2response.engine.text_input import can_send_text, with_text_input
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Upstream


def corrected_plan(
    error: UpstreamError, hub: HubRequest | None, plan: Plan, upstream: Upstream, fidelity: Fidelity
) -> Plan | None:
    """The plan by which to ask again; None where nothing can be done about this error.

    `hub`: what the request was written from, if we wrote it. Each correction is made once: after it, there
    is nothing more to correct.
    """
    if error.refused_input and can_send_text(hub, plan):
        return with_text_input(plan)
    if can_merge_system_messages(error, hub, plan, upstream, fidelity):
        return with_merged_system_messages(plan)
    return None
