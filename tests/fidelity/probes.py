"""The rows of `docs/fidelity.md`: every field that the converters know, with a meaningful value."""

from collections.abc import Iterable
from typing import Any

from tests.fidelity.gateway import a_call_per_choice, cut_before_it
from tests.fidelity.measure import Json, Probe

USER: Json = {"role": "user", "content": "hi"}
FUNCTION: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
CHAT_FUNCTION: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA: Json = {"name": "s", "schema": {"type": "object"}, "strict": True}
_F: Json = {"name": "f", "parameters": {"type": "object"}}
_TOOLS = {"tools": [FUNCTION]}
_CHAT_TOOLS = {"tools": [CHAT_FUNCTION]}


def _of(**fields: Any) -> Iterable[Probe]:
    return (Probe(name, {name: value}) for name, value in fields.items())


# -- a Chat request toward Responses -------------------------------------------------------------------

CHAT_FIELDS: tuple[Probe, ...] = (
    *_of(
        audio={"voice": "ash", "format": "wav"},
        frequency_penalty=0.5,
        logit_bias={"1": 5},
        logprobs=True,
        max_completion_tokens=100,
    ),
    Probe("functions", {"functions": [_F]}),
    Probe("function_call", {"function_call": {"name": "f"}}, base={"functions": [_F]}),
    Probe("functions beside tools", {"functions": [_F]}, base=_CHAT_TOOLS),
    Probe("max_completion_tokens below 16", {"max_completion_tokens": 3}),
    Probe("max_tokens", {"max_tokens": 100}),
    Probe("max_tokens beside max_completion_tokens", {"max_tokens": 99}, base={"max_completion_tokens": 100}),
    *_of(metadata={"a": "b"}, modalities=["text", "audio"], moderation={"model": "m"}),
    Probe("n", {"n": 2}, engine="one upstream call per choice", does=a_call_per_choice),
    Probe("parallel_tool_calls", {"parallel_tool_calls": False}, base=_CHAT_TOOLS),
    *_of(
        prediction={"type": "content", "content": "x"},
        presence_penalty=0.5,
        prompt_cache_key="k",
        prompt_cache_options={"mode": "explicit"},
        prompt_cache_retention="24h",
        reasoning_effort="low",
    ),
    Probe("response_format, json_object", {"response_format": {"type": "json_object"}}),
    Probe(
        "response_format, json_schema", {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
    ),
    *_of(safety_identifier="s", seed=1, service_tier="flex"),
    Probe(
        "stop",
        {"stop": ["STOP"]},
        engine="the text ends before the stop string",
        on="/v1/chat/completions and /proxy",
        does=cut_before_it,
    ),
    *_of(store=True, stream=True),
    Probe(
        "stream_options.include_usage",
        {"stream_options": {"include_usage": True}},
        "a converted stream ends with a usage chunk if the client asks for it",
        base={"stream": True},
    ),
    Probe(
        "stream_options.include_obfuscation",
        {"stream_options": {"include_obfuscation": True}},
        "on /v1/chat/completions the gateway pads the deltas",
        base={"stream": True},
    ),
    *_of(temperature=0.5),
    Probe("tool_choice", {"tool_choice": "required"}, base=_CHAT_TOOLS),
    Probe("tool_choice without tools", {"tool_choice": "required"}),
    Probe("tools, function", _CHAT_TOOLS),
    Probe("tools, custom", {"tools": [{"type": "custom", "custom": {"name": "c"}}]}),
    Probe("top_logprobs", {"top_logprobs": 2}, base={"logprobs": True}),
    *_of(top_p=0.5, user="u", verbosity="low", web_search_options={}),
    Probe("an unknown field", {"vendor_field": 1}),
    # Responses fields that a Chat client may send
    *_of(background=True, conversation="conv_1", context_management=[{"type": "compaction"}]),
    *_of(include=["web_search_call.results"], instructions="x", max_output_tokens=100, max_tool_calls=2),
    *_of(previous_response_id="resp_1", prompt={"id": "p"}, reasoning={"summary": "auto"}, truncation="auto"),
    Probe("text", {"text": {"verbosity": "low"}}),
    Probe("input", {"input": "hi"}),
)


def _message(label: str, *messages: Json, role: str = "") -> Probe:
    return Probe(label, {"messages": [USER, *messages]}, base={"messages": [USER]}, role=role)


def _chat_part(label: str, part: Json, role: str = "user") -> Probe:
    text = {"type": "text", "text": "x"}
    return Probe(
        label,
        {"messages": [{"role": role, "content": [text, part]}]},
        base={"messages": [{"role": role, "content": [text]}]},
    )


_CALLED: Json = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_CUSTOM_CALLED: Json = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
_LEGACY: Json = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}

CHAT_MESSAGES: tuple[Probe, ...] = (
    _message("system", {"role": "system", "content": "x"}, role="system"),
    _message("developer", {"role": "developer", "content": "x"}, role="developer"),
    _message("user", {"role": "user", "content": "x"}),
    _message("user, name", {"role": "user", "content": "x", "name": "ann"}),
    _message("assistant", {"role": "assistant", "content": "x"}),
    _message("assistant, refusal", {"role": "assistant", "content": None, "refusal": "no"}),
    _message("assistant, reasoning_content", {"role": "assistant", "content": "x", "reasoning_content": "y"}),
    _message("assistant, audio", {"role": "assistant", "audio": {"id": "a"}}),
    _message("assistant, function_call", _LEGACY),
    _message("assistant, tool_calls (function)", {"role": "assistant", "tool_calls": [_CALLED]}),
    _message("assistant, tool_calls (custom)", {"role": "assistant", "tool_calls": [_CUSTOM_CALLED]}),
    _message("tool", {"role": "tool", "tool_call_id": "c", "content": "x"}),
    _message("function", _LEGACY, {"role": "function", "name": "f", "content": "x"}),
    _chat_part("part image_url", {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}),
    _chat_part("part file", {"type": "file", "file": {"file_id": "f"}}),
    _chat_part("part input_audio", {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}),
    _chat_part("part refusal", {"type": "refusal", "refusal": "no"}, "assistant"),
    _chat_part(
        "part text, cache_control", {"type": "text", "text": "y", "cache_control": {"type": "ephemeral"}}
    ),
    _chat_part("part of an unknown type", {"type": "hologram"}),
)

# -- a Responses request toward Chat -------------------------------------------------------------------

_SHOWN = "decides where the response shows reasoning"
_FILTER = "selects results of hosted tools, and there are none"
_TWO: Json = {"tools": [FUNCTION, {**FUNCTION, "name": "g"}]}

RESPONSES_FIELDS: tuple[Probe, ...] = (
    *_of(access_programs={"cyber": "standard"}, background=True),
    Probe("client_metadata", {"client_metadata": {"a": "b"}}, "metadata that Codex sends to its own servers"),
    *_of(context_management=[{"type": "compaction"}], conversation="conv_1"),
    *_of(frequency_penalty=0.5, image={"context_compression": "auto"}),
    Probe("include, message.output_text.logprobs", {"include": ["message.output_text.logprobs"]}),
    Probe(
        "include, reasoning.encrypted_content",
        {"include": ["reasoning.encrypted_content"]},
        "the response carries sealed reasoning",
    ),
    Probe("include, results of hosted tools", {"include": ["file_search_call.results"]}, _FILTER),
    Probe("include, an unknown value", {"include": ["hologram"]}),
    *_of(input="other", instructions="be brief", max_output_tokens=100),
    Probe("max_tool_calls", {"max_tool_calls": 2}, "echoed; it limits hosted tool calls, and there are none"),
    Probe("metadata", {"metadata": {"a": "b"}}, "echoed"),
    *_of(moderation={"model": "m"}),
    Probe("parallel_tool_calls", {"parallel_tool_calls": False}, base=_TOOLS),
    *_of(presence_penalty=0.5, previous_response_id="resp_1", prompt={"id": "p"}),
    *_of(prompt_cache_key="k", prompt_cache_retention="24h"),
    Probe("prompt_cache_options.mode", {"prompt_cache_options": {"mode": "explicit"}}),
    Probe("prompt_cache_options.ttl, 12h", {"prompt_cache_options": {"ttl": "12h"}}),
    *(
        Probe(f"reasoning.effort, {effort}", {"reasoning": {"effort": effort}}, values=True)
        for effort in ("xhigh", "low", "none")
    ),
    Probe("reasoning.summary", {"reasoning": {"summary": "auto"}}, _SHOWN),
    Probe(
        "reasoning.context, auto",
        {"reasoning": {"context": "auto"}},
        "the profile's `reasoning_echo` decides",
    ),
    Probe(
        "reasoning.context, all_turns",
        {"reasoning": {"context": "all_turns"}},
        "the reasoning of all turns goes back",
    ),
    Probe(
        "reasoning.context, current_turn",
        {"reasoning": {"context": "current_turn"}},
        "the reasoning since the last user message goes back",
    ),
    Probe("reasoning.mode", {"reasoning": {"mode": "pro"}}),
    *_of(safety_identifier="s", service_tier="flex"),
    Probe("service_tier, ultrafast", {"service_tier": "ultrafast"}),
    Probe("store", {"store": True}, "the gateway stores nothing; `true` is named as `store; not stored`"),
    *_of(stream=True),
    Probe(
        "stream_options.include_obfuscation",
        {"stream_options": {"include_obfuscation": True}},
        "the gateway pads the deltas",
        base={"stream": True},
    ),
    *_of(temperature=0.5),
    Probe("text.format, json_object", {"text": {"format": {"type": "json_object"}}}),
    Probe("text.format, json_schema", {"text": {"format": {"type": "json_schema", **SCHEMA}}}),
    Probe("text.verbosity", {"text": {"verbosity": "low"}}),
    Probe("tool_choice", {"tool_choice": "required"}, base=_TOOLS),
    Probe("tool_choice, a function", {"tool_choice": {"type": "function", "name": "f"}}, base=_TWO),
    Probe(
        "tool_choice, allowed_tools",
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [FUNCTION]}},
        base=_TOOLS,
    ),
    Probe("tool_choice without tools", {"tool_choice": "required"}),
    Probe("top_logprobs", {"top_logprobs": 2}, base={"include": ["message.output_text.logprobs"]}),
    Probe(
        "top_logprobs without include",
        {"top_logprobs": 2},
        "echoed; logprobs appear only if `include` asks for them, as with OpenAI",
    ),
    *_of(top_p=0.5, truncation="auto", user="u"),
    Probe("an unknown field", {"vendor_field": 1}),
    Probe("messages", {"messages": [USER]}),
    Probe("n", {"n": 2}),
)

_CUSTOM: Json = {"type": "custom", "name": "c"}
_GRAMMAR: Json = {**_CUSTOM, "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
_SEARCH: Json = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
_SPACE: Json = {"type": "namespace", "name": "n", "description": "d", "tools": [FUNCTION]}


def _tool(label: str, tool: Json) -> Probe:
    return Probe(label, {"tools": [tool]}, native=tool["type"])


TOOLS: tuple[Probe, ...] = (
    _tool("function", FUNCTION),
    _tool("function, strict", {**FUNCTION, "strict": True}),
    _tool("custom", _CUSTOM),
    _tool("custom, grammar", _GRAMMAR),
    _tool("namespace", _SPACE),
    _tool("local_shell", {"type": "local_shell"}),
    _tool("shell", {"type": "shell"}),
    _tool("shell, container", {"type": "shell", "environment": {"type": "container_auto"}}),
    _tool("apply_patch", {"type": "apply_patch"}),
    _tool("tool_search, client", _SEARCH),
    *(
        _tool(kind, {"type": kind})
        for kind in (
            "web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11",
            "file_search", "code_interpreter", "computer", "computer_use_preview", "image_generation",
            "programmatic_tool_calling",
        )
    ),
    _tool("mcp", {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example"}),
)  # fmt: skip


def _item(kind: str, *after: Json, label: str = "", tools: Any = (), **fields: Any) -> Probe:
    base = {"input": [USER], **({"tools": list(tools)} if tools else {})}
    native = (kind if kind.startswith("mcp") else kind.partition("_")[0]) if kind.endswith("_call") else ""
    return Probe(label or kind, {"input": [USER, {"type": kind, **fields}, *after]}, base=base, native=native)


def _output(call: Json, before: Json, after: Json, *tools: Json) -> Probe:
    """A row for the output of a call: both runs have the call, with different outputs."""
    base = {"tools": list(tools)} if tools else {}
    return Probe(after["type"], {"input": [USER, call, after]}, base={**base, "input": [USER, call, before]})


def _out(kind: str, **fields: Any) -> Json:
    return {"type": kind, "call_id": "c", **fields}


_CALL: Json = _out("function_call", name="f", arguments="{}")
_EXEC: Json = {"type": "exec", "command": ["ls"], "env": {}}
_SHELL: Json = {"commands": ["ls"]}
_PATCH: Json = {"type": "delete_file", "path": "x"}
_SHOT: Json = {"type": "computer_screenshot", "image_url": "data:image/png;base64,eA=="}
_OUTCOME: Json = {"stdout": "x", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
_ANSWER: Json = {"role": "assistant", "content": "x"}
_IMAGE: Json = {"type": "input_image", "image_url": "data:image/png;base64,eA=="}

_THOUGHT: Json = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "x"}]}
_LOCAL: Json = _out("local_shell_call", id="ls_1", action=_EXEC, status="completed")
_IN_SHELL: Json = _out("shell_call", action=_SHELL)
_PATCHED: Json = _out("apply_patch_call", operation=_PATCH, status="completed")
_SEARCHED: Json = _out("tool_search_call", execution="client", arguments={"q": "x"})
_LOOKED: Json = _out("computer_call", id="cu_1", action={"type": "screenshot"}, status="completed")


def _search_output(*tools: Json) -> Json:
    return _out("tool_search_output", execution="client", tools=list(tools))


_USED: tuple[Json, ...] = (_CALL, _out("function_call_output", output="x"))

ITEMS: tuple[Probe, ...] = (
    _item("message", role="user", content="x"),
    Probe("message, developer", {"input": [USER, {"role": "developer", "content": "x"}]},
          base={"input": [USER]}, role="developer"),
    _item("message", label="message, assistant", **_ANSWER),
    Probe("message, phase", {"input": [USER, {**_ANSWER, "phase": "commentary"}]},
          "Chat has no field for it", base={"input": [USER, _ANSWER]}),
    _item("message", label="part input_image", role="user", content=[_IMAGE]),
    _item("message", label="part input_file", role="user", content=[{"type": "input_file", "file_id": "x"}]),
    _item("message", label="part input_file, file_url", role="user",
          content=[{"type": "input_file", "file_url": "https://x.example"}]),
    _item("message", label="part of an unknown type", role="user", content=[{"type": "hologram"}]),
    Probe("reasoning", {"input": [USER, _THOUGHT, *_USED]}, "`reasoning_echo` decides which backends get it",
          base={"input": [USER, *_USED]}),
    _item("reasoning", label="reasoning, a foreign encrypted_content", id="rs_1", summary=[],
          encrypted_content="gAAA"),
    _item("function_call", _out("function_call_output", output="x"), call_id="c", name="f", arguments="{}"),
    Probe("function_call_output", {"input": [USER, _CALL, _out("function_call_output", output="y")]},
          base={"input": [USER, _CALL, _out("function_call_output", output="x")]}),
    Probe("function_call_output, an array with an image",
          {"input": [USER, _CALL, _out("function_call_output", output=[_IMAGE])]},
          base={"input": [USER, _CALL, _out("function_call_output", output="x")]}),
    _item("custom_tool_call", _out("custom_tool_call_output", output="x"), call_id="c", name="c", input="x",
          tools=[_CUSTOM]),
    _item("local_shell_call", _out("local_shell_call_output", id="ls_1", output="x"), id="ls_1", call_id="c",
          action=_EXEC, status="completed", tools=[{"type": "local_shell"}]),
    _item("shell_call", _out("shell_call_output", output=[_OUTCOME]), call_id="c", action=_SHELL,
          tools=[{"type": "shell"}]),
    _item("apply_patch_call", _out("apply_patch_call_output", status="completed", output="x"), call_id="c",
          operation=_PATCH, status="completed", tools=[{"type": "apply_patch"}]),
    _output(_out("custom_tool_call", name="c", input="x"), _out("custom_tool_call_output", output="x"),
            _out("custom_tool_call_output", output="y"), _CUSTOM),
    _output(_LOCAL, _out("local_shell_call_output", id="ls_1", output="x"),
            _out("local_shell_call_output", id="ls_1", output="y"), {"type": "local_shell"}),
    _output(_IN_SHELL, _out("shell_call_output", output=[]), _out("shell_call_output", output=[_OUTCOME]),
            {"type": "shell"}),
    _output(_PATCHED, _out("apply_patch_call_output", status="completed", output="x"),
            _out("apply_patch_call_output", status="failed", output="Gone."), {"type": "apply_patch"}),
    _output(_SEARCHED, _search_output(), _search_output(FUNCTION), _SEARCH),
    _output(_LOOKED, _out("computer_call_output", output=_SHOT),
            _out("computer_call_output", output={**_SHOT, "image_url": "data:image/png;base64,eQ=="})),
    _item("computer_call", _out("computer_call_output", output=_SHOT), id="cu_1", call_id="c",
          action={"type": "screenshot"}, status="completed", label="computer_call, with its screenshot"),
    _item("tool_search_call", _out("tool_search_output", execution="client", tools=[FUNCTION]), call_id="c",
          execution="client", arguments={"q": "x"}, tools=[_SEARCH]),
    Probe("additional_tools", {"input": [USER, {"type": "additional_tools", "role": "developer",
                                               "tools": [FUNCTION]}]}, base={"input": [USER]}),
    Probe("configuration_update",
          {"input": [USER, {"type": "configuration_update", "reasoning": {"effort": "low"}}]},
          base={"input": [USER]}, values=True),
    _item("mcp_call", id="mcp_1", server_label="s", name="f", arguments="{}", output="x"),
    _item("code_interpreter_call", id="ci_1", code="1", container_id="x", status="completed",
          outputs=[{"type": "logs", "logs": "1"}]),
    _item("file_search_call", id="fs_1", queries=["q"], status="completed",
          results=[{"filename": "x", "text": "y"}]),
    _item("file_search_call", label="file_search_call without results", id="fs_1", queries=["q"],
          status="completed"),
    _item("image_generation_call", id="ig_1", result="eA==", status="completed"),
    _item("web_search_call", id="ws_1", status="completed", action={"type": "search", "query": "x"}),
    _item("mcp_list_tools", id="ml_1", server_label="s", tools=[]),
    _item("mcp_approval_request", id="ma_1", server_label="s", name="f", arguments="{}"),
    _item("mcp_approval_response", approval_request_id="ma_1", approve=True),
    _item("program", id="p_1", call_id="c", code="x", fingerprint="x"),
    _item("program_output", id="p_1", call_id="c", result="x", status="completed"),
    _item("compaction", id="cmp_1", encrypted_content="x"),
    _item("compaction_trigger"),
    _item("item_reference", id="msg_1"),
    _item("agent_message", id="am_1"),
    _item("multi_agent_call", id="mac_1"),
    _item("multi_agent_call_output", id="mac_1"),
    _item("hologram", label="an item of an unknown type"),
)  # fmt: skip
