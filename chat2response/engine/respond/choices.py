"""`n` choices from an upstream that gives one: as many calls at once, each a choice of one answer.

Each branch is a call like any other, with its own admission, upstream and end; here their Chat answers are
merged under one id. A branch that fails before the first byte fails the call. One that fails later stops the
others, and the stream ends with its error.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from itertools import chain
from types import TracebackType
from typing import Any

from chat2response.convert.losses import Loss, Losses
from chat2response.convert.usage import add, from_chat, to_chat
from chat2response.convert.validation import invalid_value
from chat2response.engine.call import Answer, Call
from chat2response.engine.plan import Plan
from chat2response.engine.request_reader import read_mended
from chat2response.engine.run import Opening
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode, encode
from chat2response.wire.json_repair import make_strict
from chat2response.wire.large_documents import is_large
from chat2response.wire.machine import CANCELLED, Fault
from chat2response.wire.request_peek import peek_chat
from chat2response.wire.responses import Usage
from chat2response.wire.sse import DONE, DONE_FRAME, KEEP_ALIVE

MOST = 8
"""Choices that one call may ask for: each is a call of its own upstream."""
_WAITING = 1  # batches of all branches that wait for the client, beside the one that each branch waits with


def choices_of(call: Call, plan: Plan) -> int:
    """How many calls a call is; 1 where its upstream counts choices itself, or `n` is not a good number.

    Raises InvalidRequest for more than `MOST`.
    """
    if call.surface != "chat" or plan.up != "convert" or b'"n"' not in call.body:
        return 1
    try:
        n = _n_of(call.body)
    except (JSONError, TypeError):
        return 1
    if type(n) is not int or n <= 1:
        return 1
    if n > MOST:
        raise invalid_value(
            "n", f"'n' is at most {MOST} with this upstream: each choice is a call of its own."
        )
    return n


def _n_of(body: bytes) -> Any:
    try:
        return peek_chat(body).n
    except JSONError:
        if is_large(body):  # nothing slow is done with it here
            raise
        return peek_chat(make_strict(body)).n


def single(call: Call) -> Call:
    """The same call for one choice. Raises InvalidRequest."""
    fields = read_mended(call)
    return replace(call, body=encode({name: value for name, value in fields.items() if name != "n"}))


class FanOut:
    """A context, as an Opening is; its branches are the runs that the registry holds."""

    def __init__(self, branches: list[Opening]) -> None:
        self._branches = branches
        self._entered: list[Opening] = []
        self._failure: BaseException | None = None
        """The first one: the others are only what stopped branches say."""

    async def __aenter__(self) -> Answer:
        try:
            results = await asyncio.gather(*map(self._enter, self._branches), return_exceptions=True)
        except BaseException:  # cancelled from outside: what had been entered is left
            await self._leave()
            raise
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            await self._leave()
            raise self._failure or failed[0]
        answers = [result for result in results if isinstance(result, Answer)]
        first = answers[0]
        losses = Losses()
        for loss in (loss for answer in answers for loss in answer.losses):
            losses.add(loss.field, loss.effect)
        if first.body is not None:
            body = merged([decode(answer.body or b"{}") for answer in answers])
            return Answer(200, first.media_type, first.headers, losses, encode(body))
        return Answer(
            200, first.media_type, first.headers, losses, None, self._batches(answers), lambda: KEEP_ALIVE
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    def stop(self, fault: Fault) -> None:
        """Ends all branches now."""
        for branch in self._branches:
            branch.stop(fault)

    @property
    def model(self) -> str | None:
        """The model that its client asked for."""
        return self._branches[0].model

    @property
    def outcome(self) -> str:
        """That of the first branch that did not complete."""
        outcomes = [branch.outcome for branch in self._branches]
        return next((each for each in outcomes if each != "completed"), "completed")

    @property
    def lost(self) -> Iterable[Loss]:
        """What could not cross, in any of the branches."""
        return chain.from_iterable(branch.lost for branch in self._branches)

    async def _enter(self, branch: Opening) -> Answer:
        try:
            answer = await branch.__aenter__()
        except BaseException as error:
            self._failure = self._failure or error
            for other in self._branches:
                if other is not branch:
                    other.stop(CANCELLED)
            raise
        self._entered.append(branch)
        return answer

    async def _leave(self) -> None:
        entered, self._entered = self._entered, []
        await asyncio.gather(*(branch.__aexit__(None, None, None) for branch in entered))

    async def _batches(self, answers: list[Answer]) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[tuple[int, bytes | None]] = asyncio.Queue(_WAITING)
        pumps = [asyncio.create_task(_pump(index, answer, queue)) for index, answer in enumerate(answers)]
        merger, running = Merger(len(answers)), len(pumps)
        try:
            while running and merger.error is None:
                index, batch = await queue.get()
                if batch is None:
                    running -= 1
                elif chunks := merger.take(index, batch):
                    yield chunks
            yield merger.end()
        finally:
            for branch in self._branches:
                branch.stop(CANCELLED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


class Merger:
    """Chunks of several streams as those of one."""

    def __init__(self, choices: int) -> None:
        self.error: bytes | None = None
        """The frame of the error that a branch ended with."""
        self._frames = [sse.FrameDecoder() for _ in range(choices)]
        self._base: dict[str, Any] = {}
        self._usage: Usage | None = None

    def take(self, index: int, batch: bytes) -> bytes:
        """What of a branch's batch goes out now."""
        comments = [b"%b\n\n" % line for line in batch.splitlines() if line.startswith(b":")]
        payloads = [payload for payload in self._frames[index].feed(batch) if payload != DONE]
        return b"".join([*comments, *(self._chunk(index, decode(payload)) for payload in payloads)])

    def end(self) -> bytes:
        """What comes last: an error, or the usage where it was asked for."""
        if self.error is not None:
            return self.error + DONE_FRAME
        if self._usage is None:
            return DONE_FRAME
        return _frame({**self._base, "choices": [], "usage": to_chat(self._usage)}) + DONE_FRAME

    def _chunk(self, index: int, chunk: dict[str, Any]) -> bytes:
        if "error" in chunk:
            self.error = self.error or _frame(chunk)
            return b""
        if not self._base:
            self._base = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        if not chunk["choices"]:
            self._usage = add(self._usage, from_chat(chunk.get("usage")))
            return b""
        moved = [{**choice, "index": index} for choice in chunk["choices"]]
        return _frame(
            {**chunk, "id": self._base.get("id"), "created": self._base.get("created"), "choices": moved}
        )


def merged(completions: list[dict[str, Any]]) -> dict[str, Any]:
    """One completion with a choice of each; what they used is added up."""
    choices = [
        {**choice, "index": index}
        for index, completion in enumerate(completions)
        for choice in completion["choices"]
    ]
    used: Usage | None = None
    for completion in completions:
        used = add(used, from_chat(completion.get("usage")))
    return {**completions[0], "choices": choices, "usage": to_chat(used)}


async def _pump(index: int, answer: Answer, queue: "asyncio.Queue[tuple[int, bytes | None]]") -> None:
    assert answer.batches is not None
    async for batch in answer.batches:
        await queue.put((index, batch))
    await queue.put((index, None))


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % encode(chunk)
