"""`Run`: one call while it runs, from its start to its last byte."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol, TypeVar, TypeVarTuple

from chat2response.convert.losses import Loss, Losses
from chat2response.convert.outcome import fault_error
from chat2response.engine.call import Answer, Call
from chat2response.engine.ownership import Ownership
from chat2response.engine.parts import EngineParts
from chat2response.engine.plan import plan
from chat2response.engine.public_errors import public_error
from chat2response.errors import BridgeError, UpstreamError
from chat2response.observe.call_record import CallRecord
from chat2response.quota.call_meter import CallMeter, MeteredStream
from chat2response.upstreams.base import Reply, Target
from chat2response.wire.fault import Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.large_documents import is_large, run_in_thread

log = logging.getLogger("chat2response.engine")

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Stream(MeteredStream, Protocol):
    """The stream that a run sends."""

    @property
    def response_id(self) -> str | None:
        """The id that the client knows, once there is one."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended; `cancel` if it was left before its end."""
        ...

    async def close(self) -> None:
        """Stops reading."""
        ...


class Run:
    """The async context around answering a call and sending its answer. The registry of live runs holds it.

    `answer_call`: does the work, and returns the answer. Entering raises BridgeErrors, which become HTTP
    statuses; leaving, or failing to enter, closes the upstream's answers and settles the call.
    """

    def __init__(
        self, parts: EngineParts, call: Call, answer_call: Callable[["Run"], Awaitable[Answer]]
    ) -> None:
        self.parts = parts
        self.call = call
        self.large = is_large(call.body)
        """Whether work that grows with the request runs in a thread."""
        self.target: Target = parts.routes.target(call.surface)
        self.plan = plan(call.surface, self.target.dialect)
        self.ownership = Ownership(parts.owners, call.tenant, self.target)
        self.meter = CallMeter(parts.meters, call.key, call.tenant, self.target)
        self.fidelity = call.fidelity or parts.options.fidelity
        self.record = CallRecord(call.surface.name, self.target.name, call.tenant)
        self.stream: Stream | None = None
        """The stream that is being sent."""
        self.stream_losses = Losses()
        """The losses of the stream's events, which come after the header."""
        self._answer_call = answer_call
        self._entering: asyncio.Task[Any] | None = None
        self._cancelled = False  # by `stop`, not from outside
        self._replies: list[tuple[Reply, AbstractAsyncContextManager[Reply]]] = []
        self._steps: set[asyncio.Future[Any]] = set()  # of an answer that is being sent; `stop` cancels them
        self._awaited_heads = 0  # of the requests that are sent while the call is entered
        self._headers: HeaderList = []  # the last reply's, for errors that are raised after its head
        self._fault: Fault | None = None

    # -- a context ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Answer:
        self.parts.runs.add(self)
        task = self._entering = asyncio.current_task()
        try:
            if self._fault is not None:
                raise fault_error(self._fault)
            answer = await self._answer_call(self)
            self._entering = None
            await self.meter.release_body()
            self.call.body = b""  # sent; a stream may stay open for long
        except BaseException as error:
            self._entering = None
            self.record.outcome = "error"
            if isinstance(error, UpstreamError):
                self.meter.note_error(error)
            await self._leave()
            public = [self._public_error(error, task)]
            del task  # it may raise this error: a reference here would make a cycle through the traceback
            self.record.status = getattr(public[0], "status", 0)
            if public[0] is error:
                public.clear()
                raise
            raise public.pop() from None
        record = self.record
        record.status = answer.status
        record.head_at = perf_counter()
        if record.first_content_at:  # it came with the first event, for which the head waits
            record.first_content_at = record.head_at
        self._note_losses(answer.losses)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stream = self.stream
        if stream is not None:
            self.record.outcome = stream.outcome
            self.note_usage(stream.usage)
            self._note_losses(self.stream_losses)
            if self.stream_losses:
                header = self.stream_losses.header()
                log.info("%s: losses of the answer: %s", self.call.request_id, header)
        await self._leave()

    async def _leave(self) -> None:
        record, fault = self.record, self._fault
        self.parts.runs.discard(self)
        if fault is not None and record.outcome not in ("completed", "incomplete"):
            record.outcome = record.cut_by = fault.cause
        record.ended_at = perf_counter()
        self.parts.metrics.call_ended(record.surface, record.target, record.outcome)
        try:
            if self.stream is not None:
                await self.stream.close()
        finally:
            try:
                await self.close_replies()
            finally:
                stream, self.stream = self.stream, None  # it refers to this run: a reference cycle
                await self.meter.settle_unfinished(stream, fault)

    def _public_error(self, error: BaseException, task: "asyncio.Task[Any] | None") -> BaseException:
        """The error for the caller: the fault of a stop, or an upstream's error without secrets."""
        if isinstance(error, asyncio.CancelledError):
            from_outside = not self._cancelled or (task is not None and task.uncancel() > 0)
            return error if from_outside or self._fault is None else fault_error(self._fault)
        if self._fault is not None and isinstance(error, BridgeError):
            return fault_error(self._fault)
        if isinstance(error, UpstreamError):
            line = public_error(error, self.target, self.call, self._headers)
            if line is not None:
                self.parts.log_missing_endpoint(line)
        return error

    # -- a live run --------------------------------------------------------------------------------

    @property
    def tenant(self) -> str | None:
        """The id of the key that the call runs under."""
        return self.call.tenant

    @property
    def response_id(self) -> str | None:
        """The id that the client knows, once there is one."""
        return self.stream.response_id if self.stream is not None else None

    def stop(self, fault: Fault) -> None:
        """Stops the call. Only the first fault counts."""
        if self._fault is not None:
            return
        self._fault = fault
        for reply, _ in self._replies:
            reply.stop(fault)
        for step in self._steps:
            step.cancel()
        if self._entering is not None and (self._awaited_heads or not self._replies):
            self._cancelled = self._entering.cancel()

    # -- the upstream --------------------------------------------------------------------------------

    async def send(self, body: bytes, *, stream: bool) -> Reply:
        """Sends a request to the target, and waits for the head. Raises UpstreamError, or a stop's error."""
        if self._fault is not None:
            raise fault_error(self._fault)  # nobody waits for the answer
        self.meter.upstream_called = True
        context = self.parts.upstream.send(body, self.target, self.call.client_context(stream=stream))
        del body
        if self._entering is not None:
            self._awaited_heads += 1
            try:
                reply = await context.__aenter__()
            finally:
                self._awaited_heads -= 1
        else:
            reply = await self._send_later(context)
        self._replies.append((reply, context))
        self._headers = reply.headers
        if self._fault is not None:
            reply.stop(self._fault)
        return reply

    async def _send_later(self, context: AbstractAsyncContextManager[Reply]) -> Reply:
        """Sends a request while the answer is being sent."""
        task = asyncio.ensure_future(context.__aenter__())
        try:
            return await self.until_stopped(task)
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                await context.__aexit__(None, None, None)  # the head had arrived
            raise

    async def until_stopped(self, work: Awaitable[T]) -> T:
        """Awaits a step of an answer that is being sent: `stop` cancels the step, not whoever sends that.

        Raises the error of the stop.
        """
        step = asyncio.ensure_future(work)
        self._steps.add(step)
        try:
            return await step
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._fault is None or not step.cancelled() or (task is not None and task.cancelling()):
                raise
            raise fault_error(self._fault) from None
        finally:
            self._steps.discard(step)

    async def close_reply(self, reply: Reply) -> None:
        """Closes one answer of the upstream."""
        for pair in self._replies:
            if pair[0] is reply:
                self._replies.remove(pair)
                await pair[1].__aexit__(None, None, None)
                return

    async def close_replies(self) -> None:
        """Closes every answer of the upstream."""
        while self._replies:
            _, context = self._replies.pop()
            await context.__aexit__(None, None, None)

    async def discard(self) -> None:
        """Closes every answer of the upstream, and the stream that was read from it, before a retry."""
        stream, self.stream = self.stream, None
        if stream is not None:
            await stream.close()
        await self.close_replies()
        self._headers = []

    # -- steps -------------------------------------------------------------------------------------

    async def apart(self, work: Callable[[*Args], T], *args: *Args) -> T:
        """Runs a step whose time grows with the request: in a thread, if the request is large."""
        return await run_in_thread(work, *args) if self.large else work(*args)

    async def keep(self, response: Any) -> None:
        """Stores a finished response, before its terminal event passes. Raises StoreDown."""
        if self.parts.keep is not None:
            await self.parts.keep(self.call.tenant, response)

    def note_usage(self, usage: Any) -> None:
        """Records the usage that the upstream reported."""
        self.record.usage = usage
        self.parts.metrics.tokens(usage)

    def note_content(self) -> None:
        """Records that the first piece of the model's output has arrived."""
        self.record.first_content_at = perf_counter()

    def _note_losses(self, losses: Iterable[Loss]) -> None:
        for loss in losses:
            self.record.losses.append(loss.field)
            self.parts.metrics.count_loss(loss.field)
