"""Reads a streamed turn into a whole answer, for wrappers that may end the upstream early."""

from chat2response.convert.size_limit import MAX_OUTPUT, check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.upstreams.base import Turn
from chat2response.wire.responses import Response


async def read_whole_turn(turn: Turn, writer: ResponseWriter, max_output: int = MAX_OUTPUT) -> Response:
    """The response that the turn's events make. Raises the BridgeError that the turn ended with.

    `max_output`: the bytes that it may take in memory; a larger one raises UpstreamError.
    """
    writer.max_weight = max_output
    writer.begin()
    async for _ in turn.reads():
        writer.take()  # the events are not needed
        check_weight(turn.output_chars + writer.weight, max_output)
    return finished_response(writer)
