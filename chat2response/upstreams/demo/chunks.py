"""The answer as a stream of `chat.completion.chunk` frames, ready to be sent one word at a time."""

from collections.abc import Iterator
from typing import Any

from chat2response.upstreams.demo.completion import call_entry, finish_reason, logprobs, usage
from chat2response.upstreams.demo.request import DemoRequest
from chat2response.upstreams.demo.script import Script, Step
from chat2response.wire.ids import Ids, completion_id
from chat2response.wire.json import encode
from chat2response.wire.sse import DONE_FRAME

_Choice = dict[str, Any]


def write_chunks(request: DemoRequest, script: Script, created: int, ids: Ids) -> Iterator[bytes]:
    """Yields the frames of each word, for all choices. The first word comes with the role, and the last one
    with the end of the stream."""
    writer = _ChunkWriter(request, script, created, ids)
    data = writer.roles()
    for step in script.steps[:-1]:
        yield data + writer.word(step)
        data = b""
    yield data + b"".join(map(writer.word, script.steps[-1:])) + writer.end()


class _ChunkWriter:
    """Writes the frames of one stream. The choices are alike, except for the ids of their calls."""

    def __init__(self, request: DemoRequest, script: Script, created: int, ids: Ids) -> None:
        self._request = request
        self._script = script
        self._ids = ids
        self._opened = 0  # calls
        self._head = {
            "id": completion_id(ids("resp")),
            "object": "chat.completion.chunk",
            "created": created,
            "model": request.model,
        }

    def roles(self) -> bytes:
        """The role of each choice."""
        return self._for_each({"role": "assistant", "content": "", "refusal": None})

    def word(self, step: Step) -> bytes:
        """One word of each choice, and the begin of its call."""
        if step.kind == "reasoning":
            return self._for_each({"reasoning_content": step.text})
        if step.kind == "call":
            return self._begin_call(step) + self._for_each(self._call_delta(step))
        tokens = logprobs([step.text], alternatives=self._request.alternatives)
        return self._for_each({"content": step.text}, tokens if self._request.logprobs else None)

    def end(self) -> bytes:
        """The finish of each choice, the usage if it was requested, or the error."""
        if self._script.error is not None:
            return _frame({"error": self._script.error.fields()}) + DONE_FRAME
        frames = self._for_each({}, finish=finish_reason(self._request, self._script))
        if self._request.include_usage:
            counts = usage(self._request, self._script)
            frames += _frame({**self._head, "choices": [], "usage": counts})
        return frames + DONE_FRAME

    def _begin_call(self, step: Step) -> bytes:
        """The id and the name of a call, before its first word."""
        if step.call < self._opened:
            return b""
        self._opened += 1
        call = call_entry(self._script.called[step.call])
        if self._request.legacy:
            return self._for_each({"function_call": call["function"]})
        return b"".join(
            self._chunk(index, {"tool_calls": [{"index": step.call, "id": self._ids("call"), **call}]})
            for index in range(self._request.choices)
        )

    def _call_delta(self, step: Step) -> dict[str, Any]:
        if self._request.legacy:
            return {"function_call": {"arguments": step.text}}
        custom = self._script.called[step.call].custom
        part = {"custom": {"input": step.text}} if custom else {"function": {"arguments": step.text}}
        return {"tool_calls": [{"index": step.call, **part}]}

    def _for_each(self, delta: _Choice, tokens: Any = None, finish: str | None = None) -> bytes:
        """Repeats a chunk for each choice."""
        choices = range(self._request.choices)
        return b"".join([self._chunk(index, delta, tokens, finish) for index in choices])

    def _chunk(self, index: int, delta: _Choice, tokens: Any = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": tokens, "finish_reason": finish}
        chunk = {**self._head, "choices": [choice]}
        return _frame({**chunk, "usage": None} if self._request.include_usage else chunk)


def _frame(value: Any) -> bytes:
    return b"data: %b\n\n" % encode(value)
