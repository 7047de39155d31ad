"""Calls as clients make them, and their answers as one type, for every API, streamed or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import MODEL, ModelReply
from tests.support.e2e.sse_streams import last_response, validated

Surface = Literal["chat", "responses", "proxy"]

CLIENT_MODEL = "asked-model"  # what clients ask for; the upstream calls it by its own name
QUESTION = "What is it?"


@dataclass(frozen=True)
class ParsedAnswer:
    """An answer as a client understands it."""

    model: str
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    """(call id, name, arguments)"""
    citations: tuple[tuple[str, int, int], ...] = ()
    tokens: tuple[tuple[str, float, tuple[str, ...]], ...] = ()
    """(token, logprob, alternatives)"""
    ended: str = "whole"
    usage: tuple[int, int, int, int, int] | None = (11, 3, 7, 2, 18)
    """input, of it cached, output, of it reasoning, total"""


def expected(reply: ModelReply, *, relayed: bool) -> ParsedAnswer:
    """The exact answer that a client must get for `reply`."""
    text = "".join(reply.text)
    return ParsedAnswer(
        model=MODEL if relayed else CLIENT_MODEL,
        text=text,
        reasoning="".join(reply.reasoning),
        refusal="".join(reply.refusal),
        calls=tuple((call.id, call.name, call.whole) for call in reply.calls),
        citations=((reply.citation, 0, len(text)),) if reply.citation else (),
        tokens=tuple((piece, -0.5, ("x",)) for piece in reply.text) if reply.logprobs else (),
        ended=reply.ended,
    )


async def ask(gateway: Running, surface: Surface, *, streamed: bool, logprobs: bool = False) -> ParsedAnswer:
    """Asks one question, through the official SDK if it has the endpoint."""
    if surface == "chat":
        return await _ask_chat(gateway, streamed, {"logprobs": True, "top_logprobs": 1} if logprobs else {})
    if surface == "responses":
        include = {"include": ["message.output_text.logprobs"], "top_logprobs": 1} if logprobs else {}
        return await _ask_responses(gateway, streamed, include)
    body = {"model": CLIENT_MODEL, "messages": [{"role": "user", "content": QUESTION}], "stream": streamed}
    if logprobs:
        body |= {"logprobs": True, "top_logprobs": 1}
    answer = await gateway.post("/proxy", body)
    assert answer.status_code == 200, answer.text
    result = last_response(answer.content) if streamed else answer.json()
    return of_response(validated(Response, result))


async def _ask_chat(gateway: Running, streamed: bool, more: Mapping[str, Any]) -> ParsedAnswer:
    client, messages = gateway.sdk(), [{"role": "user", "content": QUESTION}]
    if not streamed:
        completion = await client.chat.completions.create(model=CLIENT_MODEL, messages=messages, **more)
        return of_completion(completion)
    options: Any = {"include_usage": True}
    async with client.chat.completions.stream(
        model=CLIENT_MODEL,
        messages=messages,
        stream_options=options,
        **more,
    ) as stream:
        async for _ in stream:
            pass
        return of_completion(stream.current_completion_snapshot)


async def _ask_responses(gateway: Running, streamed: bool, more: Mapping[str, Any]) -> ParsedAnswer:
    client = gateway.sdk()
    if not streamed:
        return of_response(await client.responses.create(model=CLIENT_MODEL, input=QUESTION, **more))
    async with client.responses.stream(model=CLIENT_MODEL, input=QUESTION, **more) as stream:
        async for event in stream:
            last = event
    assert last.type in ("response.completed", "response.incomplete")
    return of_response(last.response)


def of_completion(result: ChatCompletion) -> ParsedAnswer:
    """Parses a completion."""
    (choice,) = result.choices
    usage: Any = result.usage
    message: Any = choice.message
    ended = {"stop": "whole", "tool_calls": "whole"}.get(choice.finish_reason, choice.finish_reason)
    assert (choice.finish_reason == "tool_calls") == bool(message.tool_calls and ended == "whole")
    counts = None
    if usage is not None:
        counts = (
            usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens,
            usage.completion_tokens_details.reasoning_tokens, usage.total_tokens,
        )  # fmt: skip
    cited = [each.url_citation for each in message.annotations or ()]
    tokens = (choice.logprobs.content or ()) if choice.logprobs else ()
    return ParsedAnswer(
        model=result.model,
        text=message.content or "",
        reasoning=getattr(message, "reasoning_content", None) or "",
        refusal=message.refusal or "",
        calls=tuple((c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()),
        citations=tuple((each.url, each.start_index, each.end_index) for each in map(_as_object, cited)),
        tokens=tuple((t.token, t.logprob, tuple(top.token for top in t.top_logprobs)) for t in tokens),
        ended=ended,
        usage=counts,
    )


def of_response(result: Response) -> ParsedAnswer:
    """Parses a response."""
    reply: dict[str, Any] = {
        "text": "",
        "reasoning": "",
        "refusal": "",
        "calls": (),
        "citations": (),
        "tokens": (),
    }
    for item in result.output:
        if item.type == "message":
            for part in item.content:
                _take_part(part, reply)
        elif item.type == "reasoning":
            thoughts = item.content or item.summary
            reply["reasoning"] += "".join(part.text for part in thoughts)
        else:
            assert item.type == "function_call"
            reply["calls"] += ((item.call_id, item.name, item.arguments),)
    usage = result.usage
    counts = None if usage is None else (
        usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens,
        usage.output_tokens_details.reasoning_tokens, usage.total_tokens,
    )  # fmt: skip
    return ParsedAnswer(model=str(result.model), ended=_ending(result), usage=counts, **reply)


def _take_part(part: Any, reply: dict[str, Any]) -> None:
    if part.type == "refusal":
        reply["refusal"] += part.refusal
        return
    reply["text"] += part.text
    reply["citations"] += tuple((a.url, a.start_index, a.end_index) for a in part.annotations)
    tokens = part.logprobs or ()
    reply["tokens"] += tuple((t.token, t.logprob, tuple(top.token for top in t.top_logprobs)) for t in tokens)


def _ending(result: Response) -> str:
    if result.status == "completed":
        return "whole"
    assert result.status == "incomplete" and result.incomplete_details is not None
    return {"max_output_tokens": "length"}.get(
        str(result.incomplete_details.reason), str(result.incomplete_details.reason)
    )


def _as_object(value: Any) -> Any:
    """Wraps unknown chunk fields, which the stream helper returns as plain dicts."""
    return type("Cited", (), value) if isinstance(value, dict) else value
