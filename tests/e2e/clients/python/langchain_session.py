"""LangChain's ChatOpenAI: a tool call and its answer, over both APIs, streamed and whole; an object."""

import json
import os
import sys
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr


@tool
def look(at: str) -> str:
    """Reports the weather."""
    return "21 degrees" if at == "Paris" else "nothing"


class Weather(BaseModel):
    """The weather."""

    degrees: int


def model(*, responses: bool) -> Any:
    return ChatOpenAI(
        model=os.environ["MODEL"],
        base_url=os.environ["BASE_URL"],
        api_key=SecretStr(os.environ["API_KEY"]),
        use_responses_api=responses,
        max_retries=0,
        stream_usage=True,
    )


def ask(bound: Any, messages: list[Any], *, streamed: bool) -> Any:
    if not streamed:
        return bound.invoke(messages)
    whole = None
    for chunk in bound.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return whole


def reasoning_of(message: Any) -> str:
    """The message's reasoning, as LangChain shows it."""
    return "".join(
        each.get("reasoning", "") for each in message.content_blocks if each["type"] == "reasoning"
    )


def session(*, responses: bool, streamed: bool) -> dict[str, Any]:
    bound = model(responses=responses).bind_tools([look])
    messages: list[Any] = [HumanMessage("What is it like in Paris?")]
    first = ask(bound, messages, streamed=streamed)
    (call,) = first.tool_calls
    messages += [first, ToolMessage(look.invoke(call["args"]), tool_call_id=call["id"])]
    second = ask(bound, messages, streamed=streamed)
    return {
        "reasoning": reasoning_of(first),
        "call": [call["name"], call["args"]],
        "text": second.text,
        "usage": second.usage_metadata["total_tokens"],
    }


if sys.argv[1:] == ["object"]:
    output: Any = {
        api: model(responses=api == "responses").with_structured_output(Weather).invoke("As JSON.").degrees
        for api in ("responses", "chat")
    }
else:
    output = {
        api + ("_stream" if streamed else ""): session(responses=api == "responses", streamed=streamed)
        for api in ("responses", "chat")
        for streamed in (False, True)
    }
print(json.dumps(output))  # noqa: T201
