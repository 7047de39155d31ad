"""Example requests for the OpenAPI document. A test sends each to the demo and expects a 200."""

from typing import Any

_PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

CHAT: dict[str, Any] = {
    "text": {"model": "demo", "messages": [{"role": "user", "content": "Say hello."}]},
    "stream": {
        "model": "demo",
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sky blue?"},
        ],
        "stream": True,
    },
    "reasoning": {
        "model": "demo-reasoner",
        "messages": [{"role": "user", "content": "What is 17 times 23?"}],
        "reasoning_effort": "low",
    },
    "a tool is called": {
        "model": "demo-tools",
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather of a city.",
                    "parameters": _PARAMETERS,
                },
            }
        ],
    },
    "its result is given": {
        "model": "demo",
        "messages": [
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees, clear"},
        ],
    },
}

RESPONSES: dict[str, Any] = {
    "text": {"model": "demo", "input": "Say hello."},
    "stream": {
        "model": "demo",
        "instructions": "Answer in one sentence.",
        "input": "Why is the sky blue?",
        "stream": True,
    },
    "reasoning": {
        "model": "demo-reasoner",
        "input": "What is 17 times 23?",
        "reasoning": {"effort": "low", "summary": "auto"},
    },
    "a tool is called": {
        "model": "demo-tools",
        "input": "What is the weather in Paris?",
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "The weather of a city.",
                "parameters": _PARAMETERS,
                "strict": True,
            }
        ],
    },
    "its result is given": {
        "model": "demo",
        "input": [
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": '{"city": "Paris"}',
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees, clear"},
        ],
    },
}
