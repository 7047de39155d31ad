"""Asking as clients do, and what they hear: one value, whatever the API and whether it streamed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import MODEL, Said
from tests.support.e2e.sse_streams import last_response, validated

Surface = Literal["chat", "responses", "proxy"]

ASKED = "asked-model"  # what clients ask for; the upstream calls it by its own name
QUESTION = "What is it?"


@dataclass(frozen=True)
class Heard:
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


def expected(said: Said, *, relayed: bool) -> Heard:
    """What a client must hear of `said`: nothing less, nothing more."""
    text = "".join(said.text)
    return Heard(
        model=MODEL if relayed else ASKED,
        text=text,
        reasoning="".join(said.reasoning),
        refusal="".join(said.refusal),
        calls=tuple((call.id, call.name, call.whole) for call in said.calls),
        citations=((said.citation, 0, len(text)),) if said.citation else (),
        tokens=tuple((piece, -0.5, ("x",)) for piece in said.text) if said.logprobs else (),
        ended=said.ended,
    )


async def ask(gateway: Running, surface: Surface, *, streamed: bool, logprobs: bool = False) -> Heard:
    """One question, through the official SDK where it knows the endpoint."""
    if surface == "chat":
        return await _ask_chat(gateway, streamed, {"logprobs": True, "top_logprobs": 1} if logprobs else {})
    if surface == "responses":
        include = {"include": ["message.output_text.logprobs"], "top_logprobs": 1} if logprobs else {}
        return await _ask_responses(gateway, streamed, include)
    body = {"model": ASKED, "messages": [{"role": "user", "content": QUESTION}], "stream": streamed}
    if logprobs:
        body |= {"logprobs": True, "top_logprobs": 1}
    answer = await gateway.post("/proxy", body)
    assert answer.status_code == 200, answer.text
    made = last_response(answer.content) if streamed else answer.json()
    return of_response(validated(Response, made))


async def _ask_chat(gateway: Running, streamed: bool, more: Mapping[str, Any]) -> Heard:
    client, messages = gateway.sdk(), [{"role": "user", "content": QUESTION}]
    if not streamed:
        made = await client.chat.completions.create(model=ASKED, messages=messages, **more)
        return of_completion(made)
    options: Any = {"include_usage": True}
    async with client.chat.completions.stream(
        model=ASKED,
        messages=messages,
        stream_options=options,
        **more,
    ) as stream:
        async for _ in stream:
            pass
        return of_completion(stream.current_completion_snapshot)


async def _ask_responses(gateway: Running, streamed: bool, more: Mapping[str, Any]) -> Heard:
    client = gateway.sdk()
    if not streamed:
        return of_response(await client.responses.create(model=ASKED, input=QUESTION, **more))
    async with client.responses.stream(model=ASKED, input=QUESTION, **more) as stream:
        async for event in stream:
            last = event
    assert last.type in ("response.completed", "response.incomplete")
    return of_response(last.response)


def of_completion(made: ChatCompletion) -> Heard:
    """A completion."""
    (choice,) = made.choices
    usage: Any = made.usage
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
    return Heard(
        model=made.model,
        text=message.content or "",
        reasoning=getattr(message, "reasoning_content", None) or "",
        refusal=message.refusal or "",
        calls=tuple((c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()),
        citations=tuple((each.url, each.start_index, each.end_index) for each in map(_as_object, cited)),
        tokens=tuple((t.token, t.logprob, tuple(top.token for top in t.top_logprobs)) for t in tokens),
        ended=ended,
        usage=counts,
    )


def of_response(made: Response) -> Heard:
    """A response."""
    said: dict[str, Any] = {
        "text": "",
        "reasoning": "",
        "refusal": "",
        "calls": (),
        "citations": (),
        "tokens": (),
    }
    for item in made.output:
        if item.type == "message":
            for part in item.content:
                _take_part(part, said)
        elif item.type == "reasoning":
            thoughts = item.content or item.summary
            said["reasoning"] += "".join(part.text for part in thoughts)
        else:
            assert item.type == "function_call"
            said["calls"] += ((item.call_id, item.name, item.arguments),)
    usage = made.usage
    counts = None if usage is None else (
        usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens,
        usage.output_tokens_details.reasoning_tokens, usage.total_tokens,
    )  # fmt: skip
    return Heard(model=str(made.model), ended=_ending(made), usage=counts, **said)


def _take_part(part: Any, said: dict[str, Any]) -> None:
    if part.type == "refusal":
        said["refusal"] += part.refusal
        return
    said["text"] += part.text
    said["citations"] += tuple((a.url, a.start_index, a.end_index) for a in part.annotations)
    tokens = part.logprobs or ()
    said["tokens"] += tuple((t.token, t.logprob, tuple(top.token for top in t.top_logprobs)) for t in tokens)


def _ending(made: Response) -> str:
    if made.status == "completed":
        return "whole"
    assert made.status == "incomplete" and made.incomplete_details is not None
    return {"max_output_tokens": "length"}.get(
        str(made.incomplete_details.reason), str(made.incomplete_details.reason)
    )


def _as_object(value: Any) -> Any:
    """The stream helper leaves what it does not know in a chunk as a plain dict."""
    return type("Cited", (), value) if isinstance(value, dict) else value
