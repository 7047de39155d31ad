"""A whole answer of a turn that is read as a stream: where what a wrapper does may end the upstream early."""

from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.upstreams.base import Turn
from chat2response.wire.responses import Response


async def folded(turn: Turn, writer: ResponseWriter, most: int = MAX_OUTPUT) -> Response:
    """The response that the turn's events make. Raises the BridgeError that the turn ended with.

    `most`: bytes that are kept of it; one that is larger is an UpstreamError.
    """
    writer.max_weight = most
    writer.begin()
    async for _ in turn.reads():
        writer.take()  # nobody looks at events here
        check_weight(turn.said + writer.weight, most)
    return finished_response(writer)
