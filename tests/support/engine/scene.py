"""A scene: one engine over fakes, which checks after each test that nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.dialects.surfaces import SURFACES
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.answer_call import answer_call
from chat2response.engine.call import Answer, Call
from chat2response.engine.engine import Engine
from chat2response.engine.parts import EngineOptions
from chat2response.engine.run import Run
from chat2response.keys.last_used import LastUsedTracker
from chat2response.observe.metrics import Metrics
from chat2response.quota.admission import Admission
from chat2response.quota.call_meter import Meters
from chat2response.quota.prices import Prices
from chat2response.quota.usage_log import UsageLog
from chat2response.state.owners import Owners
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Routes
from chat2response.wire.json import encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.fakes import FakeDialect, FakeReply, FakeTurn, FakeUpstream, FragileStore
from tests.support.fake_sink import FakeSink

KEY = "sk-test-000111222333"
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"model": "m", "input": "Hi"},
    "proxy": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
}


DIALECTS: dict[str, Dialect] = {each.name: each for each in (CHAT, RESPONSES)}
BY_NAME = {each.name: each for each in SURFACES}


def call_of(surface: str, body: bytes = b"", tenant: str | None = None, **more: Any) -> Call:
    """A call on the surface of this name."""
    return Call(surface=BY_NAME[surface], body=body, request_id="req-1", tenant=tenant, **more)


class Scene:
    """`open(...)` starts a call on a fake upstream; `check()` runs at the end of the test."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self.clock = clock
        self.ids = ids
        self.store = FragileStore(clock=clock)
        self.metrics = Metrics()
        self.engines: list[Engine] = []
        self.upstreams: list[FakeUpstream] = []
        self.opened = 0
        self.prices = Prices()

    def engine(
        self, upstream: FakeUpstream, dialect: Any, *, managed: bool = True, first_event_timeout: float = 5.0
    ) -> Engine:
        spoken = DIALECTS[dialect]
        answers = upstream.answer if isinstance(upstream.answer, list) else [upstream.answer]
        if any(isinstance(each, FakeTurn) for each in answers) or (
            spoken is CHAT and type(answers[0]) is dict
        ):
            spoken = FakeDialect(upstream, spoken)
        target = Target(spoken, "http://inner.example:8000/v1", KEY if managed else None, managed)
        engine = Engine(
            Routes.single(target),
            upstream,
            Owners(self.store),
            Meters(
                Admission(self.store, self.prices, clock=self.clock),
                UsageLog(self.store, keep_days=30, clock=self.clock),
                LastUsedTracker(self.store, clock=self.clock),
            ),
            self.metrics,
            self.ids,
            self.clock,
            EngineOptions(first_event_timeout=first_event_timeout),
        )
        self.engines.append(engine)
        self.upstreams.append(upstream)
        return engine

    def open(
        self,
        answer: Any,
        surface: str,
        dialect: str,
        *,
        gate: asyncio.Event | None = None,
        tenant: str | None = "key-1",
        managed: bool = True,
        first_event_timeout: float = 5.0,
        **fields: Any,
    ) -> Run:
        """A call that is not entered yet; `fields` are added to its body."""
        upstream = answer if isinstance(answer, FakeUpstream) else FakeUpstream(answer, gate)
        engine = self.engine(upstream, dialect, managed=managed, first_event_timeout=first_event_timeout)
        self.opened += 1
        body = encode({**BODIES[surface], **fields})
        return engine.open(call_of(surface, body, tenant if managed else None))

    @property
    def outcomes(self) -> list[str]:
        """The outcome of each call."""
        return [outcome for (_, _, outcome), count in self.metrics.calls.items() for _ in range(count)]

    @property
    def upstream(self) -> FakeUpstream:
        """The newest fake upstream."""
        return self.upstreams[-1]

    @property
    def engine_(self) -> Engine:
        """The newest engine."""
        return self.engines[-1]

    async def owner(self, each: str) -> str | None:
        """The owner of an id in the store."""
        entry = await self.store.get("owners", each)
        return None if entry is None else str(entry.doc["tenant"])

    def check(self) -> None:
        """No run is left, every upstream context is closed, and every call is counted once."""
        assert [len(engine.runs) for engine in self.engines] == [0] * len(self.engines)
        assert [each.left for each in self.upstreams] == [each.entered for each in self.upstreams]
        assert self.metrics.calls.total() == self.opened


def bare_run(
    surface: str = "chat", dialect: Dialect = CHAT, *, max_output: int = MAX_OUTPUT, tenant: str | None = None
) -> Run:
    """A run for parts that need one, over a memory store; it sends nothing."""
    scene = Scene(Clock(), Ids())
    engine = scene.engine(FakeUpstream(FakeReply()), dialect.name)
    options = replace(engine.options, max_output=max_output)
    return Run(replace(engine, options=options), call_of(surface, tenant=tenant), answer_call)


async def whole(run: Run) -> tuple[Answer, bytes]:
    """The answer and its whole body."""
    async with run as answer:
        if answer.body is not None:
            return answer, answer.body
        return answer, await rest(answer)


async def rest(answer: Answer) -> bytes:
    """The whole body of a streamed answer."""
    async with Client(answer) as client:
        return await client.rest()


class Client(FakeSink):
    """Takes the stream of an answer write by write. It is the stream's sink, too."""

    def __init__(self, stream: Any) -> None:
        """`stream`: an answer, or its stream."""
        super().__init__()
        self.stream: Any = stream.stream if isinstance(stream, Answer) else stream
        self.sent = b""
        """All that was written; `writes`: what is not taken yet."""
        self._progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def write(self, data: bytes, /) -> None:
        if data:
            self.sent += data
            super().write(data)
            self._progress.set()

    async def next(self) -> bytes:
        """The next write; empty at the end."""
        task = self._start()
        while not self.writes and not task.done():
            self._progress.clear()
            await self._progress.wait()
        return self.writes.pop(0) if self.writes else b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.next():
            yield data

    async def rest(self) -> bytes:
        """All further writes."""
        await self._start()
        writes, self.writes = self.writes, []
        return b"".join(writes)

    def _start(self) -> "asyncio.Task[None]":
        if self._task is None:
            self._task = asyncio.ensure_future(self.stream.send(self))
            self._task.add_done_callback(lambda _: self._progress.set())
        return self._task

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
