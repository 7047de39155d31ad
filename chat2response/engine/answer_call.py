"""The story of a call: read the request, ask the upstream, answer. `Run` holds what happens around it."""

from chat2response.convert.errors.misspelled_fields import add_hint
from chat2response.convert.requests.request_body import read_object
from chat2response.engine.call import Answer
from chat2response.engine.relay.relay import relay
from chat2response.engine.relay.relayed_request import relayed_request
from chat2response.engine.respond.hub_call import hub_call
from chat2response.engine.respond.respond import respond
from chat2response.engine.run import Run
from chat2response.errors import InvalidRequest


async def answer_call(run: Run) -> Answer:
    """Answers a call by its plan. Raises BridgeErrors until the first byte can be sent."""
    if run.plan.up == "relay":
        return await relay(run, await relayed_request(run))
    call = await hub_call(run)
    try:
        return await respond(run, call)
    except InvalidRequest as error:  # what the upstream's API cannot express
        if run.call.body:  # it is not sent yet
            add_hint(error, read_object(run.call.body), run.call.surface.reads.name)
        raise
