"""A whole answer of a turn that is read as a stream: where what a wrapper does may end the upstream early."""

from chat2response.convert.outcome import fault_error
from chat2response.convert.writer import ResponseWriter
from chat2response.upstreams.base import Turn
from chat2response.wire.machine import RESET
from chat2response.wire.responses import Response


async def folded(turn: Turn, writer: ResponseWriter) -> Response:
    """The response that the turn's events make. Raises the BridgeError that the turn ended with."""
    writer.begin()
    async for _ in turn.reads():
        writer.take()  # nobody looks at events here
    outcome = writer.outcome
    if outcome is None:
        raise fault_error(RESET)
    if outcome.error is not None:
        raise outcome.error
    writer.finish()
    return writer.response
