"""`Asking`: asks a server over HTTP as the engine does, without the rest of a call."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.dialects.surfaces import RESPONSES_SURFACE
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.answer_call import answer_call
from chat2response.engine.call import Call
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.turn import nothing
from chat2response.engine.respond.turns import Turns
from chat2response.engine.respond.whole_answer import WholeAnswer, ask
from chat2response.engine.run import Run
from chat2response.net.transport import HttpTransport
from chat2response.upstreams.base import ClientContext, Reply, Target
from chat2response.upstreams.http_reply import HttpReply
from chat2response.upstreams.http_upstream import HttpUpstream
from chat2response.upstreams.routes import Routes
from chat2response.wire.fault import Fault
from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.fakes import FakeReply, FakeUpstream
from tests.support.engine.scene import Scene
from tests.support.http_requests import Body


@dataclass
class Turn:
    """A stream whose head has arrived."""

    turns: Turns
    reply: Reply

    @property
    def started(self) -> bool:
        return self.turns.reader.started

    async def run(self, on_read: Callable[[], None] = nothing) -> None:
        """Reads to the end; calls `on_read` after each network read that has not ended the turn."""
        self.turns.on_read = on_read
        await self.turns.run()

    def stop(self, fault: Fault) -> None:
        self.reply.stop(fault)


class Asking:
    """`max_output`: the bytes that an answer may take in memory."""

    def __init__(self, dialect: Dialect, transport: HttpTransport, max_output: int = MAX_OUTPUT) -> None:
        self.dialect = dialect
        self.upstream = HttpUpstream(transport)
        self.max_output = max_output
        self.models = self.upstream.models

    def body(self, hub: HubRequest, target: Target, losses: Losses) -> bytes:
        """The request as it is sent."""
        return self.dialect.write_request(hub, target.backend, losses)[0]

    async def whole(self, hub: HubRequest, target: Target, context: ClientContext) -> WholeAnswer:
        """The answer of a request that is not streamed."""
        run = self._run(target, context)
        try:
            return await ask(run, Question(hub, target.backend), EchoedFields.of(hub), None)
        finally:
            await run.close_replies()

    @asynccontextmanager
    async def open(
        self, request: HubRequest | bytes, target: Target, writer: ResponseWriter, context: ClientContext
    ) -> AsyncIterator[Turn]:
        """A stream that is read into `writer`; of a client's own body, if `request` is bytes."""
        run = self._run(target, context)
        own = request if isinstance(request, bytes) else None
        hub = HubRequest({}, "responses") if isinstance(request, bytes) else request
        turns = Turns(run, Question(hub, target.backend, own), writer)
        try:
            await turns.open()
            yield Turn(turns, turns._turn.reply)
        finally:
            turns.close()
            await run.close_replies()

    def relay(self, body: bytes, target: Target, context: ClientContext) -> HttpReply:
        """The server's own bytes."""
        return self.upstream.send(body, target, context)

    def _run(self, target: Target, context: ClientContext) -> Run:
        engine = Scene(Clock(), Ids()).engine(FakeUpstream(FakeReply()), target.dialect.name)
        options = replace(engine.options, max_output=self.max_output)
        parts = replace(engine, upstream=self.upstream, routes=Routes.single(target), options=options)
        call = Call(
            surface=RESPONSES_SURFACE,
            body=b"",
            request_id=context.request_id,
            authorization=context.authorization,
            hops=context.hops,
            stall=context.stall,
        )
        return Run(parts, call, answer_call)


async def chunks_of(reply: Reply) -> AsyncIterator[Any]:
    """The pieces of a reply as they arrive."""
    body = Body(reply)
    while data := await body.next():
        yield data
