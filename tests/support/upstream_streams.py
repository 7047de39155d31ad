"""Streams of upstreams: builders of Chat chunks and Responses events, sample streams of every kind, and two
bridges that convert a stream and check the result against the grammar."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.wire.fault import Fault
from tests.support.stream_grammar import (
    assert_chat_stream,
    assert_well_formed,
    parse_sse,
    validate_chunk,
    validate_event,
)

NOW = 1_800_000_000
DONE = b"data: [DONE]\n\n"


class Numbered:
    """An id source with one counter for all prefixes, which shows the order of the ids."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"


def now() -> float:
    """A clock that does not advance."""
    return float(NOW)


# -- Chat ---------------------------------------------------------------------------------------------

USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}


def chunk(delta: Mapping[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of choice 0. `logprobs` goes to the choice, every other key to the chunk."""
    choice = {
        "index": 0,
        "delta": delta or {},
        "finish_reason": finish,
        "logprobs": more.pop("logprobs", None),
    }
    base = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    return {**base, "choices": [choice], **more}


def usage_chunk(usage: Mapping[str, Any] = USAGE, **more: Any) -> dict[str, Any]:
    """The chunk with only the usage."""
    return {**chunk(), "choices": [], "usage": dict(usage), **more}


def text(*words: str, **more: Any) -> list[dict[str, Any]]:
    return [chunk({"content": word}, **more) for word in words]


def thoughts(*words: str, field: str = "reasoning_content") -> list[dict[str, Any]]:
    return [chunk({field: word}) for word in words]


def call(
    *pieces: str, index: int | None = 0, id: str | None = "call_a", name: str | None = "f"
) -> list[dict[str, Any]]:
    """A call as OpenAI streams it: a chunk with its name, then its arguments in pieces."""
    opening = {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}
    return [entry(index, **opening), *(arguments(piece, index) for piece in pieces)]


def entry(index: int | None = 0, **fields: Any) -> dict[str, Any]:
    """A chunk with one tool-call entry; None leaves the index out."""
    return entries({**({} if index is None else {"index": index}), **fields})


def entries(*calls: Mapping[str, Any]) -> dict[str, Any]:
    return chunk({"tool_calls": [dict(each) for each in calls]})


def arguments(piece: str, index: int | None = 0) -> dict[str, Any]:
    return entry(index, function={"arguments": piece})


def chat(*chunks: Mapping[str, Any], finish: str | None = "stop", role: bool = True) -> list[dict[str, Any]]:
    """A whole stream: a role chunk, these chunks, a finish chunk (unless `finish` is None)."""
    first = [chunk({"role": "assistant", "content": ""})] if role else []
    return [*first, *map(dict, chunks), *([chunk({}, finish)] if finish else [])]


def sse(payloads: Iterable[Mapping[str, Any]], *, done: bool = True, end: str = "\n") -> bytes:
    """Chat frames."""
    blank = (end * 2).encode()
    frames = [b"data: " + json.dumps(payload).encode() + blank for payload in payloads]
    return b"".join(frames) + (b"data: [DONE]" + blank if done else b"")


def citation(start: int, end: int, url: str = "https://example.org/a") -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url_citation": {"url": url, "title": "A", "start_index": start, "end_index": end},
    }


def token(word: str, **more: Any) -> dict[str, Any]:
    return {"token": word, "logprob": -0.5, "bytes": list(word.encode()), "top_logprobs": [], **more}


CHAT_STREAMS: dict[str, list[dict[str, Any]]] = {
    "text": chat(*text("Hel", "lo ", "wörld €")),
    "reasoning, then text": chat(*thoughts("hm, ", "so"), *text("Yes")),
    "one call": chat(*call('{"a":', "1}"), finish="tool_calls"),
    "parallel calls": chat(
        *text("I ask."),
        *call('{"a":1}', index=0, id="call_a", name="f"),
        *call('{"b":', "2}", index=1, id="call_b", name="g"),
        finish="tool_calls",
    ),
    "native custom call": chat(
        entry(0, id="call_a", type="custom", custom={"name": "exec", "input": ""}),
        entry(0, custom={"input": "*** Beg"}),
        entry(0, custom={"input": "in\n"}),
        finish="tool_calls",
    ),
    "interleaved calls": chat(
        *call(index=0, id="call_a", name="f"),
        *call(index=1, id="call_b", name="g"),
        arguments('{"a":', 0),
        arguments('{"b":', 1),
        arguments("1}", 0),
        arguments("2}", 1),
        finish="tool_calls",
    ),
    "call without arguments": chat(*call(name="now"), finish="tool_calls"),
    "refusal": chat(chunk({"refusal": "I can"}), chunk({"refusal": "not."})),
    "logprobs": chat(chunk({"content": "Hi"}, logprobs={"content": [token("Hi")], "refusal": None})),
    "annotations": chat(*text("See a."), chunk({"annotations": [citation(4, 5)]})),
    "length": chat(*text("Half a sen"), finish="length"),
    "usage": [*chat(*text("a")), usage_chunk()],
    "error": [*chat(*text("a"), finish=None), {"error": {"message": "Broken.", "type": "server_error"}}],
    "empty": chat(),
}


# -- Responses ----------------------------------------------------------------------------------------


class Events:
    """Builds the events of a Responses stream step by step, as OpenAI sends them.

    `stream.message("Hel", "lo")` is a whole item; `stream.end()` ends it. The list is `stream.events`.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.output: list[dict[str, Any]] = []
        self._resource = {
            "id": "resp_up",
            "object": "response",
            "created_at": 1,
            "model": "up",
            "output": [],
            "error": None,
            "usage": None,
        }
        for kind in ("created", "in_progress"):
            self.add(f"response.{kind}", response={**self._resource, "status": "in_progress"})

    def add(self, kind: str, **fields: Any) -> "Events":
        """One more event."""
        self.events.append({"type": kind, "sequence_number": len(self.events), **fields})
        return self

    def message(self, *words: str, citations: Sequence[Any] = (), logprobs: bool = False) -> "Events":
        """A message with one text part."""
        tokens = [token(word) for word in words] if logprobs else []
        item, where = self._open("message", role="assistant", content=[])
        place = {**where, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self.add("response.content_part.added", **place, part=part)
        for number, word in enumerate(words):
            self.add("response.output_text.delta", **place, delta=word, logprobs=tokens[number : number + 1])
        for number, each in enumerate(citations):
            self.add(
                "response.output_text.annotation.added", **place, annotation_index=number, annotation=each
            )
        whole = {**part, "text": "".join(words), "annotations": list(citations), "logprobs": tokens}
        self.add("response.output_text.done", **place, text=whole["text"], logprobs=tokens)
        self.add("response.content_part.done", **place, part=whole)
        return self._close(item, content=[whole])

    def refusal(self, *words: str) -> "Events":
        """A message that refuses."""
        item, where = self._open("message", role="assistant", content=[])
        place = {**where, "content_index": 0}
        self.add("response.content_part.added", **place, part={"type": "refusal", "refusal": ""})
        for word in words:
            self.add("response.refusal.delta", **place, delta=word)
        whole = {"type": "refusal", "refusal": "".join(words)}
        self.add("response.refusal.done", **place, refusal=whole["refusal"])
        self.add("response.content_part.done", **place, part=whole)
        return self._close(item, content=[whole])

    def reasoning(self, *words: str, encrypted: str | None = None) -> "Events":
        """A reasoning item with raw text."""
        item, where = self._open("reasoning", summary=[])
        place = {**where, "content_index": 0}
        self.add("response.content_part.added", **place, part={"type": "reasoning_text", "text": ""})
        for word in words:
            self.add("response.reasoning_text.delta", **place, delta=word)
        whole = {"type": "reasoning_text", "text": "".join(words)}
        self.add("response.reasoning_text.done", **place, text=whole["text"])
        self.add("response.content_part.done", **place, part=whole)
        more = {} if encrypted is None else {"encrypted_content": encrypted}
        return self._close(item, content=[whole], **more)

    def summary(self, *parts: str, encrypted: str | None = None) -> "Events":
        """A reasoning item with its summary, each part in one delta."""
        item, where = self._open("reasoning", summary=[])
        for number, joined_field in enumerate(parts):
            place = {**where, "summary_index": number}
            part = {"type": "summary_text", "text": joined_field}
            self.add("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
            self.add("response.reasoning_summary_text.delta", **place, delta=joined_field)
            self.add("response.reasoning_summary_text.done", **place, text=joined_field)
            self.add("response.reasoning_summary_part.done", **place, part=part)
        more = {} if encrypted is None else {"encrypted_content": encrypted}
        return self._close(item, summary=[{"type": "summary_text", "text": each} for each in parts], **more)

    def call(self, *pieces: str, name: str = "f", call_id: str | None = None) -> "Events":
        """A function call."""
        call_id = call_id or f"call_{len(self.output)}"
        item, where = self._open("function_call", call_id=call_id, name=name, arguments="")
        for piece in pieces:
            self.add("response.function_call_arguments.delta", **where, delta=piece)
        whole = "".join(pieces)
        self.add("response.function_call_arguments.done", **where, arguments=whole, name=name)
        return self._close(item, arguments=whole)

    def custom(self, *pieces: str, name: str = "exec", call_id: str | None = None) -> "Events":
        """A call of a custom tool."""
        call_id = call_id or f"call_{len(self.output)}"
        item, where = self._open("custom_tool_call", call_id=call_id, name=name, input="")
        for piece in pieces:
            self.add("response.custom_tool_call_input.delta", **where, delta=piece)
        self.add("response.custom_tool_call_input.done", **where, input="".join(pieces))
        return self._close(item, input="".join(pieces))

    def hosted(self, item: Mapping[str, Any], *phases: str) -> "Events":
        """A hosted tool's item, with its events between `in_progress` and `completed`."""
        index, kind = len(self.output), item["type"]
        begun = {**item, "status": "in_progress"}
        self.output.append(begun)
        self.add("response.output_item.added", output_index=index, item=begun)
        for phase in ("in_progress", *phases, "completed"):
            self.add(f"response.{kind}.{phase}", output_index=index, item_id=item["id"])
        return self._close(begun)

    def item(self, item: Mapping[str, Any]) -> "Events":
        """A whole item of another kind."""
        self.add("response.output_item.added", output_index=len(self.output), item=item)
        self.output.append(dict(item))
        return self.add("response.output_item.done", output_index=len(self.output) - 1, item=item)

    def end(self, status: str = "completed", **fields: Any) -> list[dict[str, Any]]:
        """The terminal event; returns all."""
        usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
        response = {**self._resource, "status": status, "output": self.output, "usage": usage, **fields}
        return self.add(f"response.{status}", response=response).events

    def _open(self, kind: str, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}[kind]
        index = len(self.output)
        item = {"id": f"{prefix}_up{index}", "type": kind, "status": "in_progress", **fields}
        self.output.append(item)
        self.add("response.output_item.added", output_index=index, item=item)
        return item, {"item_id": item["id"], "output_index": index}

    def _close(self, item: dict[str, Any], **fields: Any) -> "Events":
        whole = {**item, "status": "completed", **fields}
        self.output[self.output.index(item)] = whole
        return self.add("response.output_item.done", output_index=self.output.index(whole), item=whole)


def named(events: Iterable[Mapping[str, Any]], *, done: bool = False) -> bytes:
    """Responses frames; OpenAI ends them without `[DONE]`."""
    frames = [
        b"event: %b\ndata: %b\n\n" % (str(event.get("type")).encode(), json.dumps(event).encode())
        for event in events
    ]
    return b"".join(frames) + (DONE if done else b"")


URL = {"type": "url_citation", "url": "https://example.org/a", "title": "A", "start_index": 4, "end_index": 5}
CUT = {"incomplete_details": {"reason": "max_output_tokens"}}

RESPONSES_STREAMS: dict[str, list[dict[str, Any]]] = {
    "text": Events().message("Hel", "lo ", "wörld €").end(),
    "raw reasoning, then text": Events().reasoning("hm, ", "so").message("Yes").end(),
    "summary, then text": Events().summary("First.", "Then.").message("Yes").end(),
    "parallel calls": Events().message("I ask.").call('{"a":', "1}").call("{}", name="g").end(),
    "call without arguments": Events().call(name="now").end(),
    "web search": Events()
    .hosted(
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "q"}}, "searching"
    )
    .message("Found.")
    .end(),
    "custom call": Events().custom("*** Beg", "in\n").call("{}").end(),
    "refusal": Events().refusal("I can", "not.").end(),
    "logprobs": Events().message("Hi", logprobs=True).end(),
    "annotations": Events().message("See a.", citations=[URL]).end(),
    "incomplete": Events().message("Half a sen").end("incomplete", **CUT),
    "failed": Events().message("a").end("failed", error={"code": "server_error", "message": "Broken."}),
    "empty": Events().end(),
}


# -- bridges ------------------------------------------------------------------------------------------


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data`, cut at these positions."""
    places = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def to_events(
    data: bytes | Sequence[bytes],
    *,
    request: Mapping[str, Any] | None = None,
    reasoning: ReasoningForm | None = None,
    fault: Fault | None = None,
) -> list[dict[str, Any]]:
    """Converts a Chat stream to Responses, and checks and returns its events."""
    body = request or {"model": "m", "include": [LOGPROBS]}
    machine = ChatToResponses(body, reasoning=reasoning, ids=Numbered(), clock=now)
    return checked_events(_run(machine, data, fault))


def to_chunks(
    data: bytes | Sequence[bytes], *, usage: bool = True, logprobs: bool = True, fault: Fault | None = None
) -> list[dict[str, Any]]:
    """Converts a Responses stream to Chat, and checks and returns its chunks."""
    machine = ResponsesToChat(model="m", include_usage=usage, logprobs=logprobs, ids=Numbered(), clock=now)
    return checked_chunks(_run(machine, data, fault))


def checked_events(output: bytes) -> list[dict[str, Any]]:
    """Parses the events of a finished stream of the gateway, with all checks."""
    events = parse_sse(output)
    for event in events:
        validate_event(event)
    assert_well_formed(events)
    return events


def checked_chunks(output: bytes) -> list[dict[str, Any]]:
    """Parses the chunks of a finished stream of the gateway, with all checks."""
    chunks = parse_sse(output)
    for each in chunks:
        validate_chunk(each)
    assert_chat_stream(chunks)
    return chunks


def _run(
    machine: ChatToResponses | ResponsesToChat, data: bytes | Sequence[bytes], fault: Fault | None
) -> bytes:
    reads = [data] if isinstance(data, bytes) else data
    output = b"".join([machine.feed(read) for read in reads]) + machine.close(fault)
    assert machine.done
    assert machine.feed(b"data: {}\n\n") == b""
    assert machine.close() == b""
    return output


def response_of(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The response in the terminal event: the fold of the stream."""
    response: dict[str, Any] = events[-1]["response"]
    return response


def deltas(chunks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The non-empty deltas of choice 0, without the role chunk."""
    all_deltas = [choice["delta"] for each in chunks for choice in each.get("choices", ())]
    return [delta for delta in all_deltas[1:] if delta]


def joined_field(chunks: Iterable[Mapping[str, Any]], field: str) -> str:
    """The text of one field over all deltas."""
    return "".join(delta.get(field) or "" for delta in deltas(chunks))
