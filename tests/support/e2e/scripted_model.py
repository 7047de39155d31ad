"""The replies of a scripted model, written once, sent in both dialects, whole or as a stream.

Written from the APIs' descriptions and by hand, with none of the package's own code: a mistake there must
not be repeated here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.scripted_upstream import Received, Script, Step

CHAT, RESPONSES, MODELS = "/v1/chat/completions", "/v1/responses", "/v1/models"
PATHS = {"chat": CHAT, "responses": RESPONSES}

MODEL = "upstream-model"  # the upstream's own name of what it runs
STREAM = "text/event-stream"

CHAT_USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
RESPONSES_USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


LIMITS = (
    ("Retry-After", "7"),
    ("retry-after-ms", "7000"),
    ("x-ratelimit-limit-requests", "60"),
    ("x-ratelimit-remaining-tokens", "0"),
    ("x-should-retry", "true"),
    ("x-request-id", "req_theirs"),
    ("set-cookie", "secret=1"),
    ("server", "theirs"),
)
"""What servers send beside a refusal; the last two are nobody else's business."""


@dataclass(frozen=True)
class Call:
    """A function call; its arguments in the pieces they stream in."""

    name: str
    arguments: tuple[str, ...] = ("{}",)
    id: str = "call_a"

    @property
    def whole(self) -> str:
        return "".join(self.arguments)


@dataclass(frozen=True)
class ModelReply:
    """One answer; each text in the pieces it streams in. `citation`: a url_citation over the whole text."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    citation: str | None = None
    logprobs: bool = False
    ended: Literal["whole", "length", "content_filter"] = "whole"
    summarised: bool = False
    """Toward Responses: the reasoning is a summary, not raw text."""
    response_id: str = "resp_upstream"

    # -- Chat --------------------------------------------------------------------------------------

    @property
    def finish(self) -> str:
        if self.ended != "whole":
            return self.ended
        return "tool_calls" if self.calls else "stop"

    def completion(self) -> dict[str, Any]:
        """A chat.completion."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self.text) if self.text else None,
            "refusal": "".join(self.refusal) or None,
        }
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.whole}}
                for c in self.calls
            ]
        if self.citation:
            message["annotations"] = [{"type": "url_citation", "url_citation": self._cited()}]
        logprobs = {"content": self._tokens(bytes_=None), "refusal": None} if self.logprobs else None
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": logprobs}
        return self._chat("chat.completion", [choice], usage=CHAT_USAGE)

    def chunks(self, *, usage: bool = True) -> Iterator[dict[str, Any]]:
        """The reply as chat.completion.chunk objects."""
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})
        for piece in self.reasoning:
            yield self._chunk({"reasoning_content": piece})
        for number, piece in enumerate(self.text):
            token = [self._tokens(bytes_=None)[number]] if self.logprobs else None
            yield self._chunk({"content": piece}, {"content": token, "refusal": None} if token else None)
        if self.citation:
            yield self._chunk({"annotations": [{"type": "url_citation", "url_citation": self._cited()}]})
        for piece in self.refusal:
            yield self._chunk({"refusal": piece})
        for index, call in enumerate(self.calls):
            function = {"name": call.name, "arguments": ""}
            entry = {"index": index, "id": call.id, "type": "function", "function": function}
            yield self._chunk({"tool_calls": [entry]})
            for piece in call.arguments:
                yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield self._chunk({}, finish=self.finish)
        if usage:
            yield self._chat("chat.completion.chunk", [], usage=CHAT_USAGE)

    def _chunk(
        self, delta: dict[str, Any], logprobs: Any = None, finish: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return self._chat("chat.completion.chunk", [choice])

    def _chat(self, kind: str, choices: list[Any], **more: Any) -> dict[str, Any]:
        return {
            "id": "chatcmpl-up", "object": kind, "created": 1_800_000_000, "model": MODEL,
            "choices": choices, **more,
        }  # fmt: skip

    # -- Responses ---------------------------------------------------------------------------------

    def items(self) -> list[dict[str, Any]]:
        """The output items."""
        done = "completed" if self.ended == "whole" else "incomplete"
        result: list[dict[str, Any]] = []
        if self.reasoning:
            kind, holder = ("summary_text", "summary") if self.summarised else ("reasoning_text", "content")
            thoughts = [{"type": kind, "text": "".join(self.reasoning)}]
            result.append({"id": "rs_up", "type": "reasoning", "summary": [], holder: thoughts})
        parts = list(self._parts())
        if parts:
            message = {"id": "msg_up", "type": "message", "role": "assistant", "status": done}
            result.append({**message, "content": parts})
        for number, call in enumerate(self.calls):
            result.append(
                {
                    "id": f"fc_{number}", "type": "function_call", "status": done, "call_id": call.id,
                    "name": call.name, "arguments": call.whole,
                }
            )  # fmt: skip
        return result

    def resource(self, **changes: Any) -> dict[str, Any]:
        """Parses a response."""
        incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self.ended)
        return {
            "id": self.response_id, "object": "response", "created_at": 1_800_000_000, "completed_at": None,
            "status": "incomplete" if incomplete else "completed", "error": None,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "instructions": None, "metadata": {}, "model": MODEL, "output": self.items(),
            "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
            "text": {"format": {"type": "text"}}, "truncation": "disabled", "usage": RESPONSES_USAGE,
            **changes,
        }  # fmt: skip

    def events(self) -> list[dict[str, Any]]:
        """The reply as Responses events."""
        begun = self.resource(status="in_progress", output=[], usage=None, incomplete_details=None)
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
        ]
        for index, item in enumerate(self.items()):
            zero: dict[str, Any] = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
            opened = {**item, **{key: zero[key] for key in zero.keys() & item.keys()}}
            events.append({"type": "response.output_item.added", "output_index": index, "item": opened})
            events += self._item_events(index, item)
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        whole = self.resource()
        events.append({"type": f"response.{whole['status']}", "response": whole})
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]

    def _item_events(self, index: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        where = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            kind = "response.function_call_arguments"
            for piece in next(call for call in self.calls if call.id == item["call_id"]).arguments:
                yield {"type": f"{kind}.delta", **where, "delta": piece}
            yield {"type": f"{kind}.done", **where, "name": item["name"], "arguments": item["arguments"]}
            return
        for number, part in enumerate(item.get("summary", ())):
            yield from self._part_events(part, {**where, "summary_index": number})
        for number, part in enumerate(item.get("content", ())):
            yield from self._part_events(part, {**where, "content_index": number})

    def _part_events(self, part: dict[str, Any], where: dict[str, Any]) -> Iterator[dict[str, Any]]:
        part_kind, kind, field, pieces = {
            "output_text": ("content_part", "output_text", "text", self.text),
            "refusal": ("content_part", "refusal", "refusal", self.refusal),
            "reasoning_text": ("content_part", "reasoning_text", "text", self.reasoning),
            "summary_text": ("reasoning_summary_part", "reasoning_summary_text", "text", self.reasoning),
        }[part["type"]]
        empty = {key: [] if isinstance(value, list) else value for key, value in part.items()} | {field: ""}
        yield {"type": f"response.{part_kind}.added", **where, "part": empty}
        for number, piece in enumerate(pieces):
            delta = {"type": f"response.{kind}.delta", **where, "delta": piece}
            if kind == "output_text":
                delta["logprobs"] = [part["logprobs"][number]] if self.logprobs else []
            yield delta
        if part.get("annotations"):
            cited = part["annotations"][0]
            added = "response.output_text.annotation.added"
            yield {"type": added, **where, "annotation_index": 0, "annotation": cited}
        more = {"logprobs": part["logprobs"]} if kind == "output_text" else {}
        yield {"type": f"response.{kind}.done", **where, field: part[field], **more}
        yield {"type": f"response.{part_kind}.done", **where, "part": part}

    def _parts(self) -> Iterator[dict[str, Any]]:
        if self.text:
            cited = [{"type": "url_citation", **self._cited()}] if self.citation else []
            tokens = self._tokens(bytes_=[]) if self.logprobs else []
            whole = "".join(self.text)
            yield {"type": "output_text", "text": whole, "annotations": cited, "logprobs": tokens}
        if self.refusal:
            yield {"type": "refusal", "refusal": "".join(self.refusal)}

    # -- both --------------------------------------------------------------------------------------

    def _cited(self) -> dict[str, Any]:
        end = len("".join(self.text))
        return {"url": self.citation, "title": "A page", "start_index": 0, "end_index": end}

    def _tokens(self, bytes_: Any) -> list[dict[str, Any]]:
        top = {"token": "x", "logprob": -2.5, "bytes": bytes_}
        return [{"token": p, "logprob": -0.5, "bytes": bytes_, "top_logprobs": [top]} for p in self.text]


def sse(*events: dict[str, Any], done: bool = True) -> tuple[bytes, ...]:
    """Each value as an SSE frame, Responses events with their name; `[DONE]` at the end."""
    frames = []
    for event in events:
        name = f"event: {event['type']}\n" if "type" in event and "choices" not in event else ""
        frames.append(f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
    return (*frames, b"data: [DONE]\n\n") if done else tuple(frames)


def whole(dialect: str, reply: ModelReply) -> Script:
    """The reply as JSON."""
    body = reply.completion() if dialect == "chat" else reply.resource()
    return Script(PATHS[dialect], (json.dumps(body, ensure_ascii=False).encode(),))


def stream(dialect: str, reply: ModelReply, *, usage: bool = True) -> Script:
    """The reply as a stream."""
    if dialect == "chat":
        frames = sse(*reply.chunks(usage=usage))
    else:
        frames = sse(*reply.events(), done=False)  # as OpenAI: the terminal event is the last
    return Script(PATHS[dialect], frames, media_type=STREAM, framing="chunked")


def refused(dialect: str, status: int, error: dict[str, Any], *headers: tuple[str, str]) -> Script:
    """An HTTP error."""
    body = json.dumps({"error": error}).encode()
    return Script(PATHS[dialect], (body,), status=status, headers=headers)


def frames(dialect: str, *steps: Step) -> Script:
    """A stream of these bytes."""
    return Script(PATHS[dialect], steps, media_type=STREAM, framing="chunked")


def speaking(dialect: str, reply: ModelReply) -> "Model":
    """A model that sends this reply in the requested form."""
    return Model(dialect, reply)


@dataclass(frozen=True)
class Model:
    """Answers like a server: a stream if the request asks for one, with usage if the request asks for it."""

    dialect: str
    reply: ModelReply

    def __call__(self, request: Received) -> Script:
        body = request.json()
        if not body.get("stream"):
            return whole(self.dialect, self.reply)
        options = body.get("stream_options") or {}
        return stream(self.dialect, self.reply, usage=options.get("include_usage") is True)
