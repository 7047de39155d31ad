"""Asks for a whole answer: one turn straight from JSON to the response, several turns through a writer."""

from chat2response.convert.dialects.dialect import AnswerDecoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import check_weight
from chat2response.convert.writer.finished_response import finished_response
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.turns import NextTurn, Turns
from chat2response.engine.run import Run
from chat2response.errors import BridgeError
from chat2response.upstreams.error_responses import refusal_of
from chat2response.upstreams.whole_answers import decode_answer
from chat2response.wire.content_sniffing import sniff_content
from chat2response.wire.headers import HeaderList
from chat2response.wire.large_documents import is_large, run_in_thread, run_in_thread_if
from chat2response.wire.responses import Response
from chat2response.wire.values import Struct

_SNIFF_LENGTH = 4096  # enough bytes to tell the kind of a body
_CHUNK = 64 * 1024  # bytes that are fed at once, between checks of the size


class WholeAnswer(Struct):
    """A response, and what came with it. `losses`: of the request and the answer."""

    response: Response
    headers: HeaderList
    losses: Losses
    large: bool = False
    """Whether to encode it in a thread."""
    deltas: int = 0
    """The number of its deltas, if it was streamed."""
    failure: BridgeError | None = None
    """The error of a turn after the first, which failed the response."""


async def ask(run: Run, question: Question, echo: EchoedFields, next_turn: NextTurn | None) -> WholeAnswer:
    """Asks the upstream. Raises UpstreamError, also for a failed response."""
    if question.stops or next_turn is not None:
        return await _ask_in_turns(run, question, echo, next_turn)
    target, parts, losses = run.target, run.parts, Losses(run.fidelity)
    if run.large:
        body, decoder = await run.apart(question.write, target.dialect, losses)
    else:
        body, decoder = question.write(target.dialect, losses)
    reply = await run.send(body, stream=False)
    if reply.status >= 300:
        raise await refusal_of(reply, target)
    answer = await reply.read()
    large, losses, most = run.large or is_large(answer), losses.for_answer(), parts.options.max_output
    if sniff_content(answer[:_SNIFF_LENGTH], ended=True) == "events":
        writer = ResponseWriter(echo, parts.ids, parts.clock, losses)
        response = await run_in_thread_if(large, _read_event_stream, answer, decoder, writer, most)
    else:
        value, repairs = await decode_answer(answer, most)
        add_repair_losses(repairs, losses)
        if large:
            response = await run_in_thread(decoder.response, value, echo, parts.ids, parts.clock, losses)
        else:
            response = decoder.response(value, echo, parts.ids, parts.clock, losses)
    return WholeAnswer(response, reply.headers, losses, large)


async def _ask_in_turns(
    run: Run, question: Question, echo: EchoedFields, next_turn: NextTurn | None
) -> WholeAnswer:
    """Streams from the upstream, which may be stopped early or asked again."""
    writer = ResponseWriter(echo, run.parts.ids, run.parts.clock, Losses(run.fidelity).for_answer())
    turns = Turns(run, question, writer, next_turn)
    response = await turns.whole()
    losses = turns.losses.for_answer()
    for loss in writer.losses:
        losses.add(loss.field, loss.effect)
    return WholeAnswer(response, turns.headers, losses, True, writer.event_count, turns.failure)


def _read_event_stream(
    events: bytes, decoder: AnswerDecoder, writer: ResponseWriter, max_output: int
) -> Response:
    """The response of a stream that came in place of JSON. Raises the error that it ended with."""
    writer.max_weight = max_output
    writer.begin()
    reader = decoder.reader(writer)
    feed = EventFeed(reader)
    for at in range(0, len(events), _CHUNK):
        feed.feed(events[at : at + _CHUNK])
        writer.take()  # the events are not needed
        check_weight(reader.output_chars + writer.weight, max_output)
        if reader.done:
            break
    else:
        feed.close()
    return finished_response(writer)
