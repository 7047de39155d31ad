"""The OpenAI Agents SDK: an agent with a tool, over both of its models, streamed and whole."""

import asyncio
import json
import os
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI

MODELS: Any = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}


@function_tool
def look(at: str) -> str:
    """Reports the weather."""
    return "21 degrees" if at == "Paris" else "nothing"


async def main() -> None:
    client = AsyncOpenAI(
        base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0, timeout=60
    )
    config = RunConfig(tracing_disabled=True)
    output = {}
    for api, model_class in MODELS.items():
        agent = Agent(
            name="weather",
            instructions="Look before you answer.",
            tools=[look],
            model=model_class(model=os.environ["MODEL"], openai_client=client),
            model_settings=ModelSettings(include_usage=True),
        )
        whole = await Runner.run(agent, "What is it like in Paris?", run_config=config)
        streamed = Runner.run_streamed(agent, "What is it like in Paris?", run_config=config)
        kinds = [event.type async for event in streamed.stream_events()]
        output[api] = _summary(whole)
        output[f"{api}_stream"] = {**_summary(streamed), "events": len(kinds)}
    print(json.dumps(output))  # noqa: T201


def _summary(result: Any) -> dict[str, Any]:
    return {
        "text": result.final_output,
        "items": [item.type for item in result.new_items],
        "usage": result.context_wrapper.usage.total_tokens,
        "history": len(result.to_input_list()),
    }


asyncio.run(main())
