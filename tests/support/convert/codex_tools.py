"""The three forms in which Codex CLI sends tools, by model, without the parts that no test reads."""

from typing import Any

Json = dict[str, Any]


def function(name: str, *required: str, **more: Any) -> Json:
    parameters = {
        "type": "object",
        "properties": {each: {"type": "string"} for each in required},
        "required": list(required),
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "name": name,
        "description": f"What {name} does.",
        "strict": False,
        "parameters": parameters,
        **more,
    }


def custom(name: str, definition: str) -> Json:
    grammar = {"type": "grammar", "syntax": "lark", "definition": definition}
    return {"type": "custom", "name": name, "description": f"What {name} does.", "format": grammar}


def namespace(name: str, description: str, *tools: Json) -> Json:
    return {"type": "namespace", "name": name, "description": description, "tools": list(tools)}


SHELL = [
    function("exec_command", "cmd"),
    function("write_stdin", "session_id"),
    function("view_image", "path"),
]
AGENTS = namespace(
    "multi_agent_v1",
    "Tools for spawning and managing sub-agents.",
    function("spawn_agent"),
    function("wait_agent", "targets"),
)
SEARCH: Json = {
    "type": "tool_search",
    "execution": "client",
    "description": "# Tool discovery",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}
PATCH = custom("apply_patch", 'start: begin_patch hunk+ end_patch\nbegin_patch: "*** Begin Patch" LF\n')
EXEC = custom("exec", "\nstart: pragma_source | plain_source\n")

UNKNOWN: Json = {
    "tools": [*SHELL, AGENTS, function("get_goal"), {"type": "web_search", "external_web_access": True}],
    "input": [
        {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "Go"}]}
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}
"""For a model that Codex does not know."""

GPT_5_5: Json = {
    **UNKNOWN,
    "tools": [
        *SHELL,
        PATCH,
        SEARCH,
        {"type": "web_search", "external_web_access": True, "search_content_types": ["text", "image"]},
    ],
}
"""Freeform patches, and Codex's own tool search."""

GPT_6: Json = {
    "input": [
        {
            "type": "additional_tools",
            "id": "at_1",
            "role": "developer",
            "tools": [
                namespace("functions", "", EXEC, function("wait", "cell_id")),
                namespace(
                    "clock", "Tools for reading and waiting on time.", function("sleep", "duration_ms")
                ),
                namespace(
                    "collaboration", "Tools for sub-agents.", function("send_message", "target", "message")
                ),
            ],
        },
        *UNKNOWN["input"],
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
}
"""Code mode: without `tools`; the shell is inside `exec`."""
