"""The story of a call: read the request, ask the upstream, answer. `Run` holds what happens around it."""

from chat2response.engine.call import Answer
from chat2response.engine.relay.relay import relay
from chat2response.engine.relay.relayed_request import relayed_request
from chat2response.engine.respond.hub_call import hub_call
from chat2response.engine.respond.respond import respond
from chat2response.engine.run import Run


async def answer_call(run: Run) -> Answer:
    """Answers a call by its plan. Raises BridgeErrors until the first byte can be sent."""
    if run.plan.up == "relay":
        return await relay(run, await relayed_request(run))
    return await respond(run, await hub_call(run))
