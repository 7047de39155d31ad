"""Relays an answer: the client gets the upstream's bytes."""

import asyncio

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.engine.call import Answer
from chat2response.engine.relay.relayed_request import RelayedRequest
from chat2response.engine.relay.relayed_stream import RelayedStream
from chat2response.engine.relay.whole_reply import WholeReply, read_whole_reply
from chat2response.engine.run import Run
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Reply
from chat2response.upstreams.error_responses import refusal_error
from chat2response.wire.content_sniffing import Kind
from chat2response.wire.json import JSONError, decode_leniently
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.responses import Response
from chat2response.wire.values import replace


async def relay(run: Run, request: RelayedRequest) -> Answer:
    """Sends `request` and relays its answer.

    A refusal is relayed, too, unless the upstream refuses content that can be left out: then the request is
    sent once more. Raises what `read_whole_reply` raises, and a refusal that `request.correct` can correct.
    """
    corrected = run.fidelity == "strict"
    while True:
        reply = await run.send(request.body, stream=request.stream)
        if request.stream and reply.status < 300 and await is_stream(reply):
            return await _relay_stream(run, request, reply)
        whole = await read_whole_reply(reply, run.target, run.ownership, stored=request.stored)
        if reply.status >= 400:
            await _check_correction(run, request, reply, whole)
        stripped = None
        if reply.status == 400 and not corrected:
            strip = run.target.dialect.without_refused_content
            stripped = await run.apart(strip, request.body, whole.body, request.losses)
        if stripped is None:
            return await _relay_whole(run, request, reply, whole)
        await run.discard()
        request, corrected = replace(request, body=stripped), True


async def is_stream(reply: Reply) -> bool:
    """Whether the body is an event stream, by its content type or else by its first bytes."""
    if reply.claims_stream:
        return True
    known: asyncio.Future[Kind | None] = asyncio.get_running_loop().create_future()

    def wake(kind: Kind | None) -> None:
        if not known.done():  # else the wait was cancelled
            known.set_result(kind)

    reply.sniff(wake)
    return await known == "events"


async def _check_correction(run: Run, request: RelayedRequest, reply: Reply, whole: WholeReply) -> None:
    """Raises the refusal of a request that the gateway wrote and can write in another form."""
    if request.correct is not None:
        error = refusal_error(whole.body, reply.status, reply.headers, run.target)
        if await run.apart(request.correct, error) is not None:
            raise error


async def _relay_stream(run: Run, request: RelayedRequest, reply: Reply) -> Answer:
    options = run.parts.options
    keep = run.parts.keep is not None and request.stored
    tap = run.target.dialect.tap(
        stored=request.stored,
        choices=request.choices,
        client=run.call.client,
        max_item_bytes=options.max_output,
        keep=keep,
    )
    stream = run.stream = RelayedStream(run, reply, tap, hide_usage=request.hide_usage, keep=keep)
    await stream.begin(options.first_event_timeout)
    headers = run.meter.answer_headers(reply.headers)
    return Answer(reply.status, reply.media_type, headers, request.losses, stream=stream)


async def _relay_whole(run: Run, request: RelayedRequest, reply: Reply, whole: WholeReply) -> Answer:
    refused = reply.status >= 300
    run.record.usage = await run.meter.settle_body(whole.body, refused=refused)
    if run.parts.keep is not None and request.stored and not refused:
        await _keep(run, whole.body)
    run.record.outcome = "error" if refused else "completed"
    headers = run.meter.answer_headers(reply.headers)
    return Answer(reply.status, whole.media_type, headers, request.losses, whole.body)


async def _keep(run: Run, body: bytes) -> None:
    """Keeps the response in a relayed body, if it is one."""
    parts, target = run.parts, run.target

    def read() -> Response:
        decoder = target.dialect.decoder(target.backend, "content")
        return decoder.response(decode_leniently(body), EchoedFields("", {}), parts.ids, parts.clock)

    try:
        response = await run_in_thread_if(is_large(body), read)
    except (JSONError, UpstreamError):  # a failed response, or no answer that a client can continue
        return
    await run.keep(response)
