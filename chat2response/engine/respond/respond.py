"""Answers a call through the hub: asks the upstream, and writes its answer for the client."""

from functools import partial

from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.call import JSON_TYPE, SSE_TYPE, Answer
from chat2response.engine.relay.relay import relay
from chat2response.engine.relay.relayed_request import RelayedRequest
from chat2response.engine.respond.choices import stream_choices, whole_choices
from chat2response.engine.respond.converted_stream import ConvertedStream
from chat2response.engine.respond.hub_call import HubCall, add_gateway_losses
from chat2response.engine.respond.obfuscation import obfuscated
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.turns import NextTurn, Turns
from chat2response.engine.respond.whole_answer import WholeAnswer, ask
from chat2response.engine.run import Run
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire.large_documents import run_in_thread_if


async def respond(run: Run, call: HubCall, next_turn: NextTurn | None = None) -> Answer:
    """Answers the call; once more in another form, if the upstream rejects that of the request.

    `next_turn`: is asked after each turn for the next one. Raises BridgeError until the first byte.
    """
    question = call.question
    while True:
        try:
            return await _answer(run, call, question, next_turn)
        except UpstreamError as error:
            backend = await run.apart(_correction, run, question, error)
            if backend is None:
                raise
        await run.discard()
        question.backend = backend


def _correction(run: Run, question: Question, error: UpstreamError) -> Backend | None:
    """The backend to write the request for once more; None: the client wrote it, or no form is left."""
    if question.body is not None:
        return None
    return run.target.dialect.correct(error, question.hub, question.backend, run.fidelity)


async def _answer(run: Run, call: HubCall, question: Question, next_turn: NextTurn | None) -> Answer:
    if run.plan.down == "relay" and not question.stops and next_turn is None:
        return await _relay(run, call, question)
    if call.choices > 1:
        return await (stream_choices if call.stream else whole_choices)(run, call)
    if call.stream:
        return await _stream(run, call, question, next_turn)
    return await _whole(run, call, question, next_turn)


async def _relay(run: Run, call: HubCall, question: Question) -> Answer:
    """Relays the answer of a request that the gateway wrote."""
    losses = Losses(run.fidelity)
    add_gateway_losses(run, call.hub, question.stops, losses)
    body, _ = await run.apart(question.write, run.target.dialect, losses)
    stored = call.hub.body.get("store") is True
    correct = partial(_correction, run, question)
    return await relay(run, RelayedRequest(body, losses, call.stream, stored, correct=correct))


async def _stream(run: Run, call: HubCall, question: Question, next_turn: NextTurn | None) -> Answer:
    parts, hub = run.parts, call.hub
    echo = await run.apart(EchoedFields.of, hub)
    writer = ResponseWriter(echo, parts.ids, parts.clock, Losses(run.fidelity).for_answer())
    run.stream_losses = writer.losses
    turns = Turns(run, question, writer, next_turn)
    await turns.open()
    encoder = obfuscated(run.call.surface.writes.encoder(hub, run.call.client, writer.losses), hub)
    stream = run.stream = ConvertedStream(run, turns, writer, encoder)
    await stream.begin(parts.options.first_event_timeout)
    losses = turns.losses.for_answer()
    add_gateway_losses(run, hub, question.stops, losses)
    headers = run.meter.answer_headers(turns.headers)
    return Answer(200, SSE_TYPE, headers, losses, stream=stream)


async def _whole(run: Run, call: HubCall, question: Question, next_turn: NextTurn | None) -> Answer:
    echo = await run.apart(EchoedFields.of, call.hub)
    whole = await ask(run, question, echo, next_turn)
    await _finish(run, call, whole)
    dialect, client = run.call.surface.writes, run.call.client
    if whole.failure is not None and not dialect.reports_failure:
        raise _final(whole.failure)
    write = partial(dialect.write_response, legacy=call.hub.legacy)
    body = await run_in_thread_if(whole.large, write, whole.response, echo.model, client, whole.losses)
    return Answer(200, JSON_TYPE, run.meter.answer_headers(whole.headers), whole.losses, body)


def _final(error: BridgeError) -> BridgeError:
    """The error without an invitation to retry, which would run the tools of earlier turns again."""
    return BridgeError(
        error.message,
        status=error.status,
        type=error.type,
        code=error.code,
        param=error.param,
        internal=error.internal,
        headers={"x-should-retry": "false"},
    )


async def _finish(run: Run, call: HubCall, whole: WholeAnswer) -> None:
    """Settles the call and keeps the response, before the answer passes."""
    add_gateway_losses(run, call.hub, call.question.stops, whole.losses)
    response = whole.response
    run.note_usage(response.get("usage"))
    await run.meter.settle_response(response, response.get("usage"), whole.deltas)
    if whole.failure is None:
        await run.keep(response)
    run.record.outcome = str(response.get("status"))
