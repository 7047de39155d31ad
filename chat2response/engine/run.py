"""`Opening`: one call while it runs."""

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
from chat2response.convert.library.streams import reasoning_form
from chat2response.convert.losses import Loss, Losses
from chat2response.convert.outcome import fault_error
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.usage import read as read_usage
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.convert.writer.stop_strings import StopStringWriter, read_stop_strings
from chat2response.engine.call import JSON_TYPE, SSE_TYPE, Answer, Call
from chat2response.engine.corrections import corrected
from chat2response.engine.ownership import Ownership
from chat2response.engine.plan import SPOKEN, Plan
from chat2response.engine.reasoning_seal import with_seal
from chat2response.engine.relay.relay import RelayedStream, whole_reply
from chat2response.engine.relay.relayed_request import admit_relayed, overlaid, peek_request, with_model
from chat2response.engine.relay.taps import ChatTap, ResponsesTap, Tap
from chat2response.engine.request_reader import read_whole
from chat2response.engine.respond.respond import ConvertedStream, encoder_for, whole_body
from chat2response.engine.respond.whole_answer import folded
from chat2response.engine.strip_reasoning import unsealed
from chat2response.engine.text_input import may_recast, plain_body
from chat2response.errors import BridgeError, InvalidRequest, UpstreamError
from chat2response.quota.call_meter import Spending, capped, capped_hub
from chat2response.upstreams.base import HeaderList, Origin, RawReply, Turn, Upstream
from chat2response.upstreams.missing_endpoint import point_out
from chat2response.upstreams.upstream_refusals import mask_error, refusal_of, refuses_input
from chat2response.wire.json import decode_with_repairs, encode
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.machine import Fault
from chat2response.wire.request_peek import ChatPeek
from chat2response.wire.responses import Response

if TYPE_CHECKING:
    from chat2response.engine.engine import Engine

log = logging.getLogger("chat2response.engine")

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Opening:
    """The context that `Engine.open` returns, and the run that the registry holds."""

    def __init__(self, engine: "Engine", call: Call) -> None:
        self._engine = engine
        self._call = call
        self._large = is_large(call.body)
        self._plan: Plan = engine.plans[call.surface]
        self._ownership = Ownership(engine.owners, call.tenant, self._plan.target)
        self._spending = Spending(engine.books, call.key, call.tenant, self._plan.target)
        self._entering: asyncio.Task[Any] | None = None
        self._cancelled = False  # by `stop`, not from outside
        self._context: AbstractAsyncContextManager[Any] | None = None
        self._live: Turn | RawReply | None = None
        self._headers: HeaderList = []  # the upstream's, for an error that its answer turns out to be
        self._stream: ConvertedStream | RelayedStream | None = None
        self._fidelity = call.fidelity or engine.options.fidelity
        self._said = Losses()  # what the upstream says in a stream and the answer cannot
        self._losses: Iterable[Loss] = ()  # what the answer was headed with
        self._fault: Fault | None = None
        self._outcome = "error"

    # -- a context ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Answer:
        self._engine.runs.add(self)
        task = self._entering = asyncio.current_task()
        try:
            if self._fault is not None:
                raise fault_error(self._fault)
            answer = await (self._relay_up() if self._plan.up == "relay" else self._through_the_hub())
            self._entering = None
            await self._spending.forget_body()
            self._call.body = b""  # the upstream has it, and a stream may stay open for long
        except BaseException as error:
            self._entering = None
            if isinstance(error, UpstreamError):
                self._spending.fail(error)
            await self._leave()
            shown = [self._shown(error, task)]
            del task  # it may end with this error: in a variable, either would be a cycle with the traceback
            if shown[0] is error:
                shown.clear()
                raise
            raise shown.pop() from None
        self._losses = answer.losses
        for loss in answer.losses:
            self._engine.metrics.lost(loss.field)
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
                await self._spending.settle_rest(self._stream, self._fault)

    def _shown(self, error: BaseException, task: "asyncio.Task[Any] | None") -> BaseException:
        """The error as the caller sees it: a stop under its own name, an upstream's words without secrets."""
        if isinstance(error, asyncio.CancelledError):
            from_outside = not self._cancelled or (task is not None and task.uncancel() > 0)
            return error if from_outside or self._fault is None else fault_error(self._fault)
        if self._fault is not None and isinstance(error, BridgeError):
            return fault_error(self._fault)
        if isinstance(error, UpstreamError):
            mask_error(error, self._plan.target)
            error.message = self._call.without_key(error.message)
            error.internal = error.internal and self._call.without_key(error.internal)
            if (line := point_out(error, self._plan.target)) is not None:
                self._engine.no_endpoint(line)
            for name, value in self._headers:
                error.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        return error

    # -- a run -------------------------------------------------------------------------------------

    @property
    def tenant(self) -> str | None:
        """The key it runs under."""
        return self._call.tenant

    @property
    def response_id(self) -> str | None:
        """The id its client knows, once there is one."""
        return self._stream.response_id if self._stream is not None else None

    @property
    def model(self) -> str | None:
        """The model that its client asked for."""
        return self._call.model

    @property
    def outcome(self) -> str:
        """How it ended: completed, incomplete, failed, error (an HTTP status), or a fault's cause."""
        return self._outcome

    @property
    def lost(self) -> Iterable[Loss]:
        """What could not cross, of the request and of the answer."""
        return chain(self._losses, self._said)

    def stop(self, fault: Fault) -> None:
        """Ends it now. The first fault counts."""
        if self._fault is not None:
            return
        self._fault = fault
        if self._live is not None:
            self._live.stop(fault)
        elif self._entering is not None:
            self._cancelled = self._entering.cancel()

    # -- ways --------------------------------------------------------------------------------------

    async def _relay_up(self) -> Answer:
        """The client's bytes go up as they are, and so do the upstream's come down."""
        target = self._plan.target
        peek, checked = await self._apart(peek_request, self._call.body, target)
        self._call.note_model(peek.model)
        choices = 1
        if isinstance(peek, ChatPeek):
            kept = peek.store is True
            choices = peek.n if type(peek.n) is int else 1
        else:
            await self._ownership.check_body(checked, peek)
            kept = peek.store is not False
        body, hidden = await admit_relayed(checked, peek, target, self._spending, large=self._large)
        losses = Losses(self._fidelity)
        if target.text_input:
            body = await self._apart(plain_body, body, losses)
        body = await self._apart(with_model, body, target)
        if body is checked:
            body = self._call.body  # as it came, also where it is no strict JSON
        elif checked is not self._call.body:
            for path, effect in (await self._apart(decode_with_repairs, self._call.body))[1]:
                losses.add(path, effect)
        return await self._relay_down(
            body, losses, stream=peek.stream is True, kept=kept, choices=choices, hidden=hidden
        )

    async def _through_the_hub(self) -> Answer:
        """The request is read; the answer comes down converted, or (`/proxy` on Responses) as it is."""
        limited, goes_up = self._spending.reads_body, self._plan.up == "overlay"
        fields, hub = await self._apart(read_whole, self._call, limited, goes_up)
        self._call.note_model(fields.get("model"))
        try:
            return await self._converted(fields, hub)
        except InvalidRequest as error:
            point_out_spelling(error, fields, SPOKEN[self._call.surface][0])
            raise

    async def _converted(self, fields: dict[str, Any], hub: HubRequest) -> Answer:
        """`fields`: the client's own body, decoded."""
        await self._spending.admit(self._call.body, fields)
        target, sent = self._plan.target, self._call.body
        if (cap := self._spending.output_cap) is not None:
            hub = capped_hub(hub, cap, target.quirks)
            fields = capped(fields, cap, target.quirks.max_tokens)
            sent = await self._apart(encode, fields)
        hub = with_seal(hub, self._call, target, self._engine.sealing)
        if self._fidelity == "strict":
            self._lose(hub, Losses("strict"))  # before the upstream is asked
        body = hub.body
        if target.dialect == "responses":
            await self._ownership.check({**hub.extra, **body, "input": None})  # no item of Chat has an id
        ask = await self._apart(overlaid, sent, hub, fields, target) if self._plan.up == "overlay" else hub
        ours = hub if ask is hub else None
        while True:
            try:
                return await self._way_down(hub, ask)
            except UpstreamError as error:
                plan = await self._apart(corrected, error, ours, self._plan, self._upstream, self._fidelity)
                if plan is None:
                    raise
            await self._forget_answer()
            self._plan = plan

    async def _way_down(self, hub: HubRequest, ask: HubRequest | bytes) -> Answer:
        stream = hub.body.get("stream") is True
        if stops := self._stops_here(hub):
            return await self._stopped(hub, stops)
        if self._plan.down == "relay":
            losses = Losses(self._fidelity)
            self._lose(hub, losses)
            sent = await self._apart(self._upstream.body, hub, self._plan.target, losses)
            kept = hub.body.get("store") is True
            return await self._relay_down(sent, losses, stream=stream, kept=kept, hub=hub)
        if stream:
            return await self._convert_stream(hub, ask)
        return await self._convert_whole(hub, ask)

    def _stops_here(self, hub: HubRequest) -> Sequence[str]:
        """The stop strings that the gateway has to watch for: a Responses upstream knows none."""
        return read_stop_strings(hub) if self._plan.target.dialect == "responses" else ()

    async def _stopped(self, hub: HubRequest, stops: Sequence[str]) -> Answer:
        """Stop strings are watched for here: the upstream streams, also for a whole answer."""
        rest = {name: value for name, value in hub.extra.items() if name != "stop"}
        ask = replace(hub, extra=rest, body={**hub.body, "stream": True})
        if hub.body.get("stream") is True:
            return await self._convert_stream(hub, ask, stops)
        engine = self._engine
        echo = EchoedFields.of(hub)
        writer = ResponseWriter(echo, engine.ids, engine.clock, Losses(self._fidelity).for_answer())
        form = self._form(hub)
        told = StopStringWriter(writer, stops)
        turn: Turn = await self._enter(await self._opened(ask, told, form))
        response = await folded(turn, writer, engine.options.max_output)
        losses = turn.losses.for_answer()
        for loss in writer.losses:
            losses.add(loss.field, loss.effect)
        return await self._whole(hub, echo, response, turn.headers, losses, deltas=writer.event_count)

    async def _relay_down(
        self,
        body: bytes,
        losses: Losses,
        *,
        stream: bool,
        kept: bool,
        choices: int = 1,
        hidden: bool = False,
        hub: HubRequest | None = None,
        again: bool = False,
    ) -> Answer:
        """`hub`: what `body` was written from, if we wrote it. `again`: it was refused once, and edited."""
        target = self._plan.target
        context = self._upstream.relay(body, target, self._origin(stream=stream))
        reply = await self._enter(context)
        if not (stream and reply.status < 300 and await reply.streams()):
            whole = await whole_reply(reply, target, self._ownership, kept=kept)
            if refuses_input(whole.body, reply.status) and await self._apart(may_recast, hub, self._plan):
                raise refusal_of(whole.body, reply.status, reply.headers, target)
            may_ask = reply.status == 400 and not again and self._fidelity != "strict"
            rest = await self._apart(unsealed, body, whole.body, losses) if may_ask else None
            if rest is not None:
                await self._forget_answer()
                return await self._relay_down(rest, losses, stream=stream, kept=kept, again=True)
            self._outcome = "completed" if reply.status < 300 else "error"
            await self._spending.settle_body(whole.body, refused=reply.status >= 300)
            headers = self._spending.answered(reply.headers)
            return Answer(reply.status, whole.media_type, headers, losses, whole.body)
        if target.dialect == "responses":
            error_event, most = self._call.client.error_event, self._engine.options.max_output
            tap: Tap = ResponsesTap(kept=kept, error_event=error_event, remembers=most)
        else:
            tap = ChatTap(kept=kept, choices=choices)
        relayed = self._stream = RelayedStream(reply, tap, self._ownership, target, hide_usage=hidden)
        await relayed.begin(self._engine.options.hold)
        return self._streaming(reply.status, reply.media_type, reply.headers, losses, relayed)

    async def _convert_stream(
        self, hub: HubRequest, ask: HubRequest | bytes, stops: Sequence[str] = ()
    ) -> Answer:
        engine, target = self._engine, self._plan.target
        given = SPOKEN[self._call.surface][1]
        echo = await self._apart(EchoedFields.of, hub)
        writer = ResponseWriter(echo, engine.ids, engine.clock, Losses(self._fidelity).for_answer())
        self._said = writer.losses
        form = self._form(hub)
        told = StopStringWriter(writer, stops) if stops else writer
        turn = await self._enter(await self._opened(ask, told, form))
        converted = self._stream = ConvertedStream(
            turn,
            writer,
            encoder_for(given, hub, writer.losses, self._call.client),
            target,
            engine.options.max_output,
        )
        await converted.begin(engine.options.hold)
        losses = turn.losses.for_answer()
        self._lose(hub, losses)
        return self._streaming(200, SSE_TYPE, turn.headers, losses, converted)

    async def _convert_whole(self, hub: HubRequest, ask: HubRequest | bytes) -> Answer:
        engine, target = self._engine, self._plan.target
        self._spending.asked = True
        reply = await self._upstream.once(ask, target, self._origin(stream=False))
        large = self._large or reply.large
        losses = reply.losses.for_answer()
        self._headers = reply.headers
        form = self._form(hub)
        echo = await self._apart(EchoedFields.of, hub)
        response = await run_in_thread_if(large, reply.read, echo, engine.ids, engine.clock, form, losses)
        return await self._whole(hub, echo, response, reply.headers, losses, large=large)

    async def _whole(
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
        """A response in the client's dialect. `deltas`: of one whose usage was not told."""
        self._lose(hub, losses)
        told = response.get("usage")
        usage = told if self._plan.target.dialect == "chat" else read_usage(told)  # of Chat's it is ours
        self._engine.metrics.tokens(usage)
        self._outcome = str(response.get("status"))
        await self._spending.settle_response(response, usage, deltas)
        given = SPOKEN[self._call.surface][1]
        write = partial(whole_body, legacy=hub.legacy)
        body = await run_in_thread_if(large, write, given, response, echo.model, losses, self._call.client)
        return Answer(200, JSON_TYPE, self._spending.answered(headers), losses, body)

    def _streaming(
        self,
        status: int,
        media_type: str,
        headers: HeaderList,
        losses: Losses,
        stream: ConvertedStream | RelayedStream,
    ) -> Answer:
        spending = self._spending
        batches = spending.settling(stream) if spending.reserved else stream.batches()
        return Answer(status, media_type, spending.answered(headers), losses, None, batches, stream.beat)

    # -- steps -------------------------------------------------------------------------------------

    async def _apart(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """A step that takes time by the size of the request: beside the loop, where that is large."""
        return await run_in_thread_if(self._large, work, *args)

    async def _opened(
        self, ask: HubRequest | bytes, writer: Writer, form: ReasoningForm
    ) -> AbstractAsyncContextManager[Turn]:
        """The turn that `ask`, written for the upstream, is; not entered yet."""
        origin = self._origin(stream=True)
        return await self._apart(self._upstream.open, ask, self._plan.target, writer, origin, form)

    def _form(self, hub: HubRequest) -> ReasoningForm:
        return reasoning_form(hub, self._engine.options.reasoning, self._call.client)

    def _origin(self, *, stream: bool) -> Origin:
        origin = self._call.origin(self._fidelity, stream=stream)
        origin.large = self._large
        return origin

    @property
    def _upstream(self) -> Upstream:
        return self._engine.upstreams[self._plan.target.dialect]

    async def _forget_answer(self) -> None:
        """Closes what an upstream answered, to ask it again."""
        stream, self._stream = self._stream, None
        context, self._context = self._context, None
        self._live, self._headers = None, []
        if stream is not None:
            await stream.close()
        if context is not None:
            await context.__aexit__(None, None, None)

    async def _enter(self, context: AbstractAsyncContextManager[Any]) -> Any:
        if self._fault is not None:
            raise fault_error(self._fault)  # nobody waits for it any more
        self._spending.asked = True
        live = self._live = await context.__aenter__()
        self._context = context
        self._headers = live.headers
        return live

    def _lose(self, hub: HubRequest, losses: Losses) -> None:
        """What the gateway itself does not do, said beside what the converter could not."""
        for path, effect in self._call.repairs:
            losses.add(path, effect)
        if hub.body.get("store") is not True:
            return
        surface = self._call.surface
        if surface == "responses" or (surface == "proxy" and self._stops_here(hub)):
            losses.add("store", "not kept")

    def _note_end(self) -> None:
        """Usage, losses and outcome of a stream, for the metrics."""
        if self._stream is None:
            return
        metrics = self._engine.metrics
        self._outcome = self._stream.outcome
        metrics.tokens(self._stream.usage)
        for loss in self._said:
            metrics.lost(loss.field)
        if self._said:
            log.info("%s: lost of the answer: %s", self._call.request_id, self._said.header())
