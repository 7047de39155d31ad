"""Serves `n` choices from an upstream that returns one: runs `n` calls at once and merges their answers.

Each branch is a complete call with its own admission, upstream and end. Here the Chat answers are merged
under one id. A branch that fails before the first byte fails the whole call. One that fails later stops the
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
from chat2response.engine.request_reader import read_repaired
from chat2response.engine.run import CallRun
from chat2response.wire import sse
from chat2response.wire.fault import CANCELLED, Fault
from chat2response.wire.json import JSONError, decode, encode
from chat2response.wire.json_repair import make_strict
from chat2response.wire.large_documents import is_large
from chat2response.wire.request_peek import peek_chat
from chat2response.wire.responses import Usage
from chat2response.wire.sse import DONE, DONE_FRAME, KEEPALIVE

MAX_CHOICES = 8
"""Choices that one call may request: each one is an upstream call."""
_QUEUE_SIZE = 1  # batches of all branches that wait for the client; each branch waits with one more


def choices_of(call: Call, plan: Plan) -> int:
    """The number of upstream calls; 1 if the upstream handles `n` itself, or `n` is not a positive integer.

    Raises InvalidRequest for more than `MAX_CHOICES`.
    """
    if call.surface != "chat" or plan.up != "convert" or b'"n"' not in call.body:
        return 1
    try:
        n = _n_of(call.body)
    except (JSONError, TypeError):
        return 1
    if type(n) is not int or n <= 1:
        return 1
    if n > MAX_CHOICES:
        raise invalid_value(
            "n", f"'n' may be at most {MAX_CHOICES} here: each choice is a separate upstream call."
        )
    return n


def _n_of(body: bytes) -> Any:
    try:
        return peek_chat(body).n
    except JSONError:
        if is_large(body):  # repairing a large body would block the event loop
            raise
        return peek_chat(make_strict(body)).n


def with_one_choice(call: Call) -> Call:
    """The call with `n` removed. Raises InvalidRequest."""
    fields = read_repaired(call)
    return replace(call, body=encode({name: value for name, value in fields.items() if name != "n"}))


class MultiChoiceRun:
    """An async context like CallRun, over one run for each choice. The registry holds the branches."""

    def __init__(self, branches: list[CallRun]) -> None:
        self._branches = branches
        self._entered: list[CallRun] = []
        self._failure: BaseException | None = None
        """The first error of a branch; later ones only say that the branch was stopped."""

    async def __aenter__(self) -> Answer:
        try:
            results = await asyncio.gather(*map(self._enter, self._branches), return_exceptions=True)
        except BaseException:  # cancelled from outside: leave the branches that were entered
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
            body = merge_completions([decode(answer.body or b"{}") for answer in answers])
            return Answer(200, first.media_type, first.headers, losses, encode(body))
        return Answer(
            200, first.media_type, first.headers, losses, None, self._batches(answers), lambda: KEEPALIVE
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    def stop(self, fault: Fault) -> None:
        """Stops all branches."""
        for branch in self._branches:
            branch.stop(fault)

    @property
    def model(self) -> str | None:
        """The requested model."""
        return self._branches[0].model

    @property
    def outcome(self) -> str:
        """The outcome of the first branch that did not complete, else `completed`."""
        outcomes = [branch.outcome for branch in self._branches]
        return next((each for each in outcomes if each != "completed"), "completed")

    @property
    def losses(self) -> Iterable[Loss]:
        """The losses of all branches."""
        return chain.from_iterable(branch.losses for branch in self._branches)

    async def _enter(self, branch: CallRun) -> Answer:
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
        queue: asyncio.Queue[tuple[int, bytes | None]] = asyncio.Queue(_QUEUE_SIZE)
        pumps = [asyncio.create_task(_pump(index, answer, queue)) for index, answer in enumerate(answers)]
        merger, running = ChoiceMerger(len(answers)), len(pumps)
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


class ChoiceMerger:
    """Merges the chunks of several streams into one stream."""

    def __init__(self, choices: int) -> None:
        self.error: bytes | None = None
        """The error frame that a branch ended with."""
        self._frames = [sse.FrameDecoder() for _ in range(choices)]
        self._base: dict[str, Any] = {}
        self._usage: Usage | None = None

    def take(self, index: int, batch: bytes) -> bytes:
        """The merged frames for one batch of a branch."""
        comments = [b"%b\n\n" % line for line in batch.splitlines() if line.startswith(b":")]
        payloads = [payload for payload in self._frames[index].feed(batch) if payload != DONE]
        return b"".join([*comments, *(self._chunk(index, decode(payload)) for payload in payloads)])

    def end(self) -> bytes:
        """The last frames: an error, or the usage if the client requested it."""
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
        choices = [{**choice, "index": index} for choice in chunk["choices"]]
        return _frame(
            {**chunk, "id": self._base.get("id"), "created": self._base.get("created"), "choices": choices}
        )


def merge_completions(completions: list[dict[str, Any]]) -> dict[str, Any]:
    """One completion with the choice of each; usage is added up."""
    choices = [
        {**choice, "index": index}
        for index, completion in enumerate(completions)
        for choice in completion["choices"]
    ]
    usage: Usage | None = None
    for completion in completions:
        usage = add(usage, from_chat(completion.get("usage")))
    return {**completions[0], "choices": choices, "usage": to_chat(usage)}


async def _pump(index: int, answer: Answer, queue: "asyncio.Queue[tuple[int, bytes | None]]") -> None:
    assert answer.batches is not None
    async for batch in answer.batches:
        await queue.put((index, batch))
    await queue.put((index, None))


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % encode(chunk)
