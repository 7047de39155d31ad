"""A request that its upstream refused for its form, corrected: asked once more, before the first byte."""

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity
from chat2response.engine.plan import Plan
from chat2response.engine.system_messages import may_rejoin, rejoined
from chat2response.engine.text_input import may_recast, recast
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Upstream


def corrected(
    error: UpstreamError, hub: HubRequest | None, plan: Plan, upstream: Upstream, fidelity: Fidelity
) -> Plan | None:
    """The plan by which to ask again; None where nothing can be done about this error.

    `hub`: what the request was written from, if we wrote it. Each correction is made once: after it, there
    is nothing more to correct.
    """
    if error.refused_input and may_recast(hub, plan):
        return recast(plan)
    if may_rejoin(error, hub, plan, upstream, fidelity):
        return rejoined(plan)
    return None
