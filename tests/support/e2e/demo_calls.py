"""Chat bodies for the demo, asked on any surface, and their answers as one type."""

from dataclasses import dataclass
from typing import Any

from openai.types.responses import Response

import chat2response
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.gateway import Running
from tests.support.e2e.sse_streams import last_response, validated


@dataclass(frozen=True)
class DemoAnswer:
    """An answer as a client understands it. `calls`: names, and arguments or input."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    ended: str = "whole"


def chat_body(user: str = "Hello there", model: str = "demo", **more: Any) -> dict[str, Any]:
    """A Chat request without `stream`."""
    return {"model": model, "messages": [{"role": "user", "content": user}], **more}


def body_for(surface: Surface, body: dict[str, Any]) -> dict[str, Any]:
    """A Chat body in the surface's own dialect."""
    return dict(chat2response.to_responses_request(body)) if surface == "responses" else body


async def ask(gateway: Running, surface: Surface, body: dict[str, Any], *, streamed: bool) -> DemoAnswer:
    """The answer to a Chat body, converted for the surface; through the SDK if it has the endpoint."""
    token = gateway.http.headers["authorization"].removeprefix("Bearer ")
    client, sent = gateway.sdk(token), body_for(surface, body)
    if surface == "chat":
        if not streamed:
            return of_completion((await client.chat.completions.create(**sent)).to_dict())
        stream = await client.chat.completions.create(**sent, stream=True)
        return of_chunks([chunk.to_dict() async for chunk in stream])
    if surface == "responses":
        if not streamed:
            return of_response(await client.responses.create(**sent))
        events = [event async for event in await client.responses.create(**sent, stream=True)]
        return of_response(events[-1].response)
    answer = await gateway.post("/proxy", {**sent, "stream": streamed})
    assert answer.status_code == 200, answer.text
    result = last_response(answer.content) if streamed else answer.json()
    return of_response(validated(Response, result))


def of_completion(completion: dict[str, Any], index: int = 0) -> DemoAnswer:
    """The answer in a choice."""
    choice = completion["choices"][index]
    message = choice["message"]
    calls = [call[call["type"]] for call in message.get("tool_calls") or ()]
    return DemoAnswer(
        message["content"] or "",
        message.get("reasoning_content", ""),
        tuple((call["name"], call.get("arguments", call.get("input"))) for call in calls),
        "cut" if choice["finish_reason"] == "length" else "whole",
    )


def of_chunks(chunks: list[dict[str, Any]], index: int = 0) -> DemoAnswer:
    """The answer that the chunks of a choice add up to."""
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    calls: list[list[str]] = []
    for call in (call for choice in choices for call in choice["delta"].get("tool_calls") or ()):
        part = call.get("function") or call["custom"]
        if "name" in part:
            calls.append([part["name"], ""])
        calls[call["index"]][1] += part.get("arguments", part.get("input"))
    return DemoAnswer(
        "".join(choice["delta"].get("content") or "" for choice in choices),
        "".join(choice["delta"].get("reasoning_content") or "" for choice in choices),
        tuple((name, arguments) for name, arguments in calls),
        "cut" if choices[-1]["finish_reason"] == "length" else "whole",
    )


def of_response(response: Any) -> DemoAnswer:
    """The answer in a response of the SDK."""
    calls = [item for item in response.output if item.type in ("function_call", "custom_tool_call")]
    thoughts = [item.content or item.summary for item in response.output if item.type == "reasoning"]
    return DemoAnswer(
        response.output_text,
        "".join(part.text for parts in thoughts for part in parts),
        tuple((call.name, call.input if "input" in call.to_dict() else call.arguments) for call in calls),
        "cut" if response.status == "incomplete" else "whole",
    )
