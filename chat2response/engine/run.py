"""`CallRun`: one call while it runs."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.errors.misspelled_fields import add_hint as point_out_spelling
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Loss, Losses
from chat2response.convert.outcome import fault_error
from chat2response.convert.reasoning_form import ReasoningForm, reasoning_form
from chat2response.convert.usage import read as read_usage
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.convert.writer.stop_strings import StopStringWriter, read_stop_strings
from chat2response.engine.call import JSON_TYPE, SSE_TYPE, Answer, Call
from chat2response.engine.corrections import corrected_plan
from chat2response.engine.ownership import Ownership
from chat2response.engine.plan import SURFACE_DIALECTS, Plan
from chat2response.engine.relay.relay import RelayedStream, read_whole_reply
from chat2response.engine.relay.relayed_request import (
    admit_relayed,
    peek_request,
    with_model,
    with_usage_option,
)
from chat2response.engine.relay.taps import ChatTap, ResponsesTap, Tap
from chat2response.engine.request_reader import read_whole
from chat2response.engine.respond.respond import ConvertedStream, encoder_for, whole_body
from chat2response.engine.respond.whole_answer import read_whole_turn
from chat2response.engine.seal_selection import with_seal
from chat2response.engine.strip_reasoning import strip_reasoning
from chat2response.engine.text_input_retry import can_send_text, plain_body
from chat2response.errors import BridgeError, InvalidRequest, UpstreamError
from chat2response.quota.call_meter import CallMeter, capped, capped_hub
from chat2response.upstreams.base import ClientContext, HeaderList, RawReply, Turn, Upstream
from chat2response.upstreams.error_responses import mask_error, refusal_error, refuses_input
from chat2response.upstreams.missing_endpoint import add_likely_cause
from chat2response.wire.fault import Fault
from chat2response.wire.json import decode_with_repairs, encode
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.request_peek import ChatPeek
from chat2response.wire.responses import Response

if TYPE_CHECKING:
    from chat2response.engine.engine import Engine

log = logging.getLogger("chat2response.engine")

T = TypeVar("T")
Args = TypeVarTuple("Args")


class CallRun:
    """The async context that `Engine.open` returns; the registry of live runs holds it."""

    def __init__(self, engine: "Engine", call: Call) -> None:
        self._engine = engine
        self._call = call
        self._large = is_large(call.body)
        self._plan: Plan = engine.plans[call.surface]
        self._ownership = Ownership(engine.owners, call.tenant, self._plan.target)
        self._meter = CallMeter(engine.meters, call.key, call.tenant, self._plan.target)
        self._entering: asyncio.Task[Any] | None = None
        self._cancelled = False  # by `stop`, not from outside
        self._context: AbstractAsyncContextManager[Any] | None = None
        self._live: Turn | RawReply | None = None
        self._headers: HeaderList = []  # the upstream's, for errors that are raised after its head
        self._stream: ConvertedStream | RelayedStream | None = None
        self._fidelity = call.fidelity or engine.options.fidelity
        self._stream_losses = Losses()  # of the answer's events, in a stream
        self._header_losses: Iterable[Loss] = ()  # reported in the answer's header
        self._fault: Fault | None = None
        self._outcome = "error"

    # -- a context ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Answer:
        self._engine.runs.add(self)
        task = self._entering = asyncio.current_task()
        try:
            if self._fault is not None:
                raise fault_error(self._fault)
            answer = await (self._relay_request() if self._plan.up == "relay" else self._convert_request())
            self._entering = None
            await self._meter.release_body()
            self._call.body = b""  # sent; a stream may stay open for long
        except BaseException as error:
            self._entering = None
            if isinstance(error, UpstreamError):
                self._meter.note_error(error)
            await self._leave()
            public = [self._public_error(error, task)]
            del task  # it may raise this error: a reference here would make a cycle through the traceback
            if public[0] is error:
                public.clear()
                raise
            raise public.pop() from None
        self._header_losses = answer.losses
        for loss in answer.losses:
            self._engine.metrics.count_loss(loss.field)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note_end()
        await self._leave()

    async def _leave(self) -> None:
        self._engine.runs.discard(self)
        if self._fault is not None and self._outcome not in ("completed", "incomplete"):
            self._outcome = self._fault.cause
        self._engine.metrics.call_ended(self._call.surface, self._plan.target.dialect, self._outcome)
        try:
            if self._stream is not None:
                await self._stream.close()
        finally:
            try:
                if self._context is not None:
                    await self._context.__aexit__(None, None, None)
            finally:
                await self._meter.settle_unfinished(self._stream, self._fault)

    def _public_error(self, error: BaseException, task: "asyncio.Task[Any] | None") -> BaseException:
        """The error for the caller: the fault of a stop, or an upstream's error without secrets."""
        if isinstance(error, asyncio.CancelledError):
            from_outside = not self._cancelled or (task is not None and task.uncancel() > 0)
            return error if from_outside or self._fault is None else fault_error(self._fault)
        if self._fault is not None and isinstance(error, BridgeError):
            return fault_error(self._fault)
        if isinstance(error, UpstreamError):
            mask_error(error, self._plan.target)
            error.message = self._call.without_key(error.message)
            error.internal = error.internal and self._call.without_key(error.internal)
            if (line := add_likely_cause(error, self._plan.target)) is not None:
                self._engine.log_missing_endpoint(line)
            for name, value in self._headers:
                error.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        return error

    # -- a run -------------------------------------------------------------------------------------

    @property
    def tenant(self) -> str | None:
        """The id of the key that the call runs under."""
        return self._call.tenant

    @property
    def response_id(self) -> str | None:
        """The id that the client knows, once there is one."""
        return self._stream.response_id if self._stream is not None else None

    @property
    def model(self) -> str | None:
        """The requested model."""
        return self._call.model

    @property
    def outcome(self) -> str:
        """How the call ended: completed, incomplete, failed, error (an HTTP status), or a fault's cause."""
        return self._outcome

    @property
    def losses(self) -> Iterable[Loss]:
        """The losses of the request and of the answer."""
        return chain(self._header_losses, self._stream_losses)

    def stop(self, fault: Fault) -> None:
        """Stops the call. Only the first fault counts."""
        if self._fault is not None:
            return
        self._fault = fault
        if self._live is not None:
            self._live.stop(fault)
        elif self._entering is not None:
            self._cancelled = self._entering.cancel()

    # -- plans -------------------------------------------------------------------------------------

    async def _relay_request(self) -> Answer:
        """Relays the client's body to the upstream, and the answer back."""
        target = self._plan.target
        peek, checked = await self._apart(peek_request, self._call.body, target)
        self._call.note_model(peek.model)
        choices = 1
        if isinstance(peek, ChatPeek):
            stored = peek.store is True
            choices = peek.n if type(peek.n) is int else 1
        else:
            await self._ownership.check_body(checked, peek)
            stored = peek.store is not False
        body, hide_usage = await admit_relayed(checked, peek, target, self._meter, large=self._large)
        losses = Losses(self._fidelity)
        if target.text_input:
            body = await self._apart(plain_body, body, losses)
        body = await self._apart(with_model, body, target)
        if body is checked:
            body = self._call.body  # the client's own bytes, even if they are not strict JSON
        elif checked is not self._call.body:
            for path, effect in (await self._apart(decode_with_repairs, self._call.body))[1]:
                losses.add(path, effect)
        return await self._relay_answer(
            body, losses, stream=peek.stream is True, stored=stored, choices=choices, hide_usage=hide_usage
        )

    async def _convert_request(self) -> Answer:
        """Reads the request into the hub. The answer is converted, or relayed (`/proxy` on Responses)."""
        check_permissions, overlay = self._meter.needs_body, self._plan.up == "overlay"
        fields, hub = await self._apart(read_whole, self._call, check_permissions, overlay)
        self._call.note_model(fields.get("model"))
        try:
            return await self._answer_hub(fields, hub)
        except InvalidRequest as error:
            point_out_spelling(error, fields, SURFACE_DIALECTS[self._call.surface][0])
            raise

    async def _answer_hub(self, fields: dict[str, Any], hub: HubRequest) -> Answer:
        """`fields`: the client's own body, decoded."""
        await self._meter.admit(self._call.body, fields)
        target, sent_body = self._plan.target, self._call.body
        if (cap := self._meter.output_cap) is not None:
            hub = capped_hub(hub, cap, target.quirks)
            fields = capped(fields, cap, target.quirks.max_tokens)
            sent_body = await self._apart(encode, fields)
        hub = with_seal(hub, self._call, target, self._engine.sealing)
        if self._fidelity == "strict":
            self._add_gateway_losses(hub, Losses("strict"))  # raises before the upstream is called
        body = hub.body
        if target.dialect == "responses":
            await self._ownership.check({**hub.extra, **body, "input": None})  # Chat items have no ids
        request = (
            await self._apart(with_usage_option, sent_body, hub, fields, target)
            if self._plan.up == "overlay"
            else hub
        )
        written_from = hub if request is hub else None
        while True:
            try:
                return await self._answer(hub, request)
            except UpstreamError as error:
                plan = await self._apart(
                    corrected_plan, error, written_from, self._plan, self._upstream, self._fidelity
                )
                if plan is None:
                    raise
            await self._discard_answer()
            self._plan = plan

    async def _answer(self, hub: HubRequest, request: HubRequest | bytes) -> Answer:
        stream = hub.body.get("stream") is True
        if stops := self._stop_strings(hub):
            return await self._watch_stop_strings(hub, stops)
        if self._plan.down == "relay":
            losses = Losses(self._fidelity)
            self._add_gateway_losses(hub, losses)
            sent_body = await self._apart(self._upstream.body, hub, self._plan.target, losses)
            stored = hub.body.get("store") is True
            return await self._relay_answer(sent_body, losses, stream=stream, stored=stored, hub=hub)
        if stream:
            return await self._convert_stream(hub, request)
        return await self._convert_whole(hub, request)

    def _stop_strings(self, hub: HubRequest) -> Sequence[str]:
        """The stop strings that the gateway watches for, since Responses upstreams do not support any."""
        return read_stop_strings(hub) if self._plan.target.dialect == "responses" else ()

    async def _watch_stop_strings(self, hub: HubRequest, stops: Sequence[str]) -> Answer:
        """Streams from the upstream, even for a whole answer, and ends at the first stop string."""
        stripped = {name: value for name, value in hub.extra.items() if name != "stop"}
        request = replace(hub, extra=stripped, body={**hub.body, "stream": True})
        if hub.body.get("stream") is True:
            return await self._convert_stream(hub, request, stops)
        engine = self._engine
        echo = EchoedFields.of(hub)
        writer = ResponseWriter(echo, engine.ids, engine.clock, Losses(self._fidelity).for_answer())
        form = self._form(hub)
        output_writer = StopStringWriter(writer, stops)
        turn: Turn = await self._enter(await self._open_turn(request, output_writer, form))
        response = await read_whole_turn(turn, writer, engine.options.max_output)
        losses = turn.losses.for_answer()
        for loss in writer.losses:
            losses.add(loss.field, loss.effect)
        return await self._write_whole(hub, echo, response, turn.headers, losses, deltas=writer.event_count)

    async def _relay_answer(
        self,
        body: bytes,
        losses: Losses,
        *,
        stream: bool,
        stored: bool,
        choices: int = 1,
        hide_usage: bool = False,
        hub: HubRequest | None = None,
        retried: bool = False,
    ) -> Answer:
        """`hub`: the request that `body` was written from, if the gateway wrote it. `retried`: this is a
        retry.
        """
        target = self._plan.target
        context = self._upstream.relay(body, target, self._client_context(stream=stream))
        reply = await self._enter(context)
        if not (stream and reply.status < 300 and await reply.streams()):
            whole = await read_whole_reply(reply, target, self._ownership, stored=stored)
            if refuses_input(whole.body, reply.status) and await self._apart(can_send_text, hub, self._plan):
                raise refusal_error(whole.body, reply.status, reply.headers, target)
            may_retry = reply.status == 400 and not retried and self._fidelity != "strict"
            stripped = await self._apart(strip_reasoning, body, whole.body, losses) if may_retry else None
            if stripped is not None:
                await self._discard_answer()
                return await self._relay_answer(stripped, losses, stream=stream, stored=stored, retried=True)
            self._outcome = "completed" if reply.status < 300 else "error"
            await self._meter.settle_body(whole.body, refused=reply.status >= 300)
            headers = self._meter.answer_headers(reply.headers)
            return Answer(reply.status, whole.media_type, headers, losses, whole.body)
        if target.dialect == "responses":
            sends_error_event, max_item_bytes = (
                self._call.client.sends_error_event,
                self._engine.options.max_output,
            )
            tap: Tap = ResponsesTap(
                stored=stored, sends_error_event=sends_error_event, max_item_bytes=max_item_bytes
            )
        else:
            tap = ChatTap(stored=stored, choices=choices)
        relayed_stream = self._stream = RelayedStream(
            reply, tap, self._ownership, target, hide_usage=hide_usage
        )
        await relayed_stream.begin(self._engine.options.first_event_timeout)
        return self._stream_answer(reply.status, reply.media_type, reply.headers, losses, relayed_stream)

    async def _convert_stream(
        self, hub: HubRequest, request: HubRequest | bytes, stops: Sequence[str] = ()
    ) -> Answer:
        engine, target = self._engine, self._plan.target
        dialect = SURFACE_DIALECTS[self._call.surface][1]
        echo = await self._apart(EchoedFields.of, hub)
        writer = ResponseWriter(echo, engine.ids, engine.clock, Losses(self._fidelity).for_answer())
        self._stream_losses = writer.losses
        form = self._form(hub)
        output_writer = StopStringWriter(writer, stops) if stops else writer
        turn = await self._enter(await self._open_turn(request, output_writer, form))
        converted_stream = self._stream = ConvertedStream(
            turn,
            writer,
            encoder_for(dialect, hub, writer.losses, self._call.client),
            target,
            engine.options.max_output,
        )
        await converted_stream.begin(engine.options.first_event_timeout)
        losses = turn.losses.for_answer()
        self._add_gateway_losses(hub, losses)
        return self._stream_answer(200, SSE_TYPE, turn.headers, losses, converted_stream)

    async def _convert_whole(self, hub: HubRequest, request: HubRequest | bytes) -> Answer:
        engine, target = self._engine, self._plan.target
        self._meter.upstream_called = True
        reply = await self._upstream.once(request, target, self._client_context(stream=False))
        large = self._large or reply.large
        losses = reply.losses.for_answer()
        self._headers = reply.headers
        form = self._form(hub)
        echo = await self._apart(EchoedFields.of, hub)
        response = await run_in_thread_if(large, reply.read, echo, engine.ids, engine.clock, form, losses)
        return await self._write_whole(hub, echo, response, reply.headers, losses, large=large)

    async def _write_whole(
        self,
        hub: HubRequest,
        echo: EchoedFields,
        response: Response,
        headers: HeaderList,
        losses: Losses,
        *,
        deltas: int = 0,
        large: bool = True,
    ) -> Answer:
        """Writes a response in the client's dialect. `deltas`: their number, for a response without usage."""
        self._add_gateway_losses(hub, losses)
        reported = response.get("usage")  # converted already if the upstream speaks Chat
        usage = reported if self._plan.target.dialect == "chat" else read_usage(reported)
        self._engine.metrics.tokens(usage)
        self._outcome = str(response.get("status"))
        await self._meter.settle_response(response, usage, deltas)
        dialect = SURFACE_DIALECTS[self._call.surface][1]
        write = partial(whole_body, legacy=hub.legacy)
        body = await run_in_thread_if(large, write, dialect, response, echo.model, losses, self._call.client)
        return Answer(200, JSON_TYPE, self._meter.answer_headers(headers), losses, body)

    def _stream_answer(
        self,
        status: int,
        media_type: str,
        headers: HeaderList,
        losses: Losses,
        stream: ConvertedStream | RelayedStream,
    ) -> Answer:
        meter = self._meter
        batches = meter.settle_stream(stream) if meter.has_reservations else stream.batches()
        return Answer(
            status, media_type, meter.answer_headers(headers), losses, None, batches, stream.keepalive
        )

    # -- steps -------------------------------------------------------------------------------------

    async def _apart(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Runs a step whose time grows with the request: in a thread, if the request is large."""
        return await run_in_thread_if(self._large, work, *args)

    async def _open_turn(
        self, request: HubRequest | bytes, writer: Writer, form: ReasoningForm
    ) -> AbstractAsyncContextManager[Turn]:
        """Writes `request` for the upstream and returns its turn, not yet entered."""
        client_context = self._client_context(stream=True)
        return await self._apart(
            self._upstream.open, request, self._plan.target, writer, client_context, form
        )

    def _form(self, hub: HubRequest) -> ReasoningForm:
        return reasoning_form(hub, self._engine.options.reasoning, self._call.client)

    def _client_context(self, *, stream: bool) -> ClientContext:
        client_context = self._call.client_context(self._fidelity, stream=stream)
        client_context.large = self._large
        return client_context

    @property
    def _upstream(self) -> Upstream:
        return self._engine.upstreams[self._plan.target.dialect]

    async def _discard_answer(self) -> None:
        """Closes the upstream's answer before a retry."""
        stream, self._stream = self._stream, None
        context, self._context = self._context, None
        self._live, self._headers = None, []
        if stream is not None:
            await stream.close()
        if context is not None:
            await context.__aexit__(None, None, None)

    async def _enter(self, context: AbstractAsyncContextManager[Any]) -> Any:
        if self._fault is not None:
            raise fault_error(self._fault)  # nobody waits for the answer
        self._meter.upstream_called = True
        live = self._live = await context.__aenter__()
        self._context = context
        self._headers = live.headers
        return live

    def _add_gateway_losses(self, hub: HubRequest, losses: Losses) -> None:
        """Adds the losses of the gateway itself to those of the converter."""
        for path, effect in self._call.repairs:
            losses.add(path, effect)
        if hub.body.get("store") is not True:
            return
        surface = self._call.surface
        if surface == "responses" or (surface == "proxy" and self._stop_strings(hub)):
            losses.add("store", "not stored")

    def _note_end(self) -> None:
        """Reports a stream's usage, losses and outcome to the metrics."""
        if self._stream is None:
            return
        metrics = self._engine.metrics
        self._outcome = self._stream.outcome
        metrics.tokens(self._stream.usage)
        for loss in self._stream_losses:
            metrics.count_loss(loss.field)
        if self._stream_losses:
            log.info("%s: losses of the answer: %s", self._call.request_id, self._stream_losses.header())
