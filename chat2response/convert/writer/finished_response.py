"""Takes the finished response from a writer."""

from chat2response.convert.outcome import fault_error
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.fault import RESET
from chat2response.wire.responses import Response


def finished_response(writer: ResponseWriter) -> Response:
    """The whole response, once the turn has ended. Raises the BridgeError of a turn that failed."""
    outcome = writer.outcome
    if outcome is None:
        raise fault_error(RESET)
    if outcome.error is not None:
        raise outcome.error
    writer.finish()
    return writer.response
