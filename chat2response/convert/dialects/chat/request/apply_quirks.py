"""A finished Chat body is fitted to its backend: what that one does not take is left out, renamed or said in
another way, and what it wants besides is added; where a client named such a field itself, its value wins.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Choice, Quirks

_Body = dict[str, Any]

# Never a matter of the lists: without them a body says something else, or nothing.
_ALWAYS = frozenset(
    {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls"}
)
_MAPPED = {
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}


def fit(out: _Body, effort: Any, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    """Fits `out`; `effort` is the reasoning effort that the client asked for, or None."""
    if effort is not None:
        _effort(out, effort, hub, losses, quirks)
    if "tools" in out:
        _tools(out, hub, losses, quirks)
    if not quirks.usage_in_stream:
        out.pop("stream_options", None)
    if quirks.dropped_fields or quirks.allowed_fields is not None:
        _drop(out, hub, losses, quirks)
    for name, theirs in quirks.renamed_fields.items():
        if name in out:
            out.setdefault(theirs, out.pop(name))
    if quirks.extra_body:
        put_under(out, quirks.extra_body)


def put_under(out: _Body, fields: Mapping[str, Any]) -> None:
    """Adds `fields` where `out` has none of the name yet; objects of one name are merged."""
    for name, value in fields.items():
        held = out.get(name)
        if type(held) is dict and isinstance(value, Mapping):
            merged = dict(held)
            put_under(merged, value)
            out[name] = merged
        elif held is None:
            out[name] = value


def _effort(out: _Body, effort: Any, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    if effort == "none" and quirks.reasoning_off:
        put_under(out, quirks.reasoning_off)
        return
    word = quirks.effort_values.get(effort, effort) if type(effort) is str else effort
    if not quirks.effort_field:
        losses.add(hub.field("reasoning.effort"), "only switched on")
    else:
        if word != effort:
            losses.add(hub.field("reasoning.effort"), f"sent as {word}")
        _put_at(out, quirks.effort_field, word)
    if word != "none":
        put_under(out, quirks.reasoning_on)


def _put_at(out: _Body, path: str, value: Any) -> None:
    """Sets a member, over the client's own of that name: a field that was mapped wins."""
    name, _, inner = path.partition(".")
    if inner:
        held = out.get(name)
        out[name] = held = dict(held) if type(held) is dict else {}
        _put_at(held, inner, value)
    else:
        out[name] = value


# -- tools ---------------------------------------------------------------------------------------------


def _tools(out: _Body, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    choice = out.get("tool_choice")
    if choice is not None:
        taken = _choices(out, quirks)
        if _kind(choice) not in taken:
            _choose(out, choice, losses, taken)
    if not quirks.parallel_tools and out.pop("parallel_tool_calls", None) is False:
        losses.add("parallel_tool_calls")
    if "tools" in out and not (quirks.strict_tools and (quirks.mixed_strict or _one_strict(out["tools"]))):
        out["tools"] = [_lenient(tool, losses) for tool in out["tools"]]


def _kind(choice: Any) -> Choice:
    if type(choice) is dict:
        return "allowed" if choice.get("type") == "allowed_tools" else "named"
    return "none" if choice == "none" else "required" if choice == "required" else "auto"


def _choices(out: _Body, quirks: Quirks) -> frozenset[Choice]:
    """The kinds of choice that are taken of this body, whose switch for reasoning is set."""
    while_thinking = quirks.thinking_tool_choices
    return quirks.tool_choices if while_thinking is None or not _thinks(out, quirks) else while_thinking


def _thinks(out: _Body, quirks: Quirks) -> bool:
    if quirks.reasoning_off and _holds(out, quirks.reasoning_off):
        return False
    return quirks.thinks_unasked or (bool(quirks.reasoning_on) and _holds(out, quirks.reasoning_on))


def _holds(out: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Whether `out` says all that `fields` say."""
    for name, value in fields.items():
        held = out.get(name)
        if isinstance(value, Mapping):
            if type(held) is not dict or not _holds(held, value):
                return False
        elif held != value:
            return False
    return True


def _choose(out: _Body, choice: Any, losses: Losses, taken: frozenset[Choice]) -> None:
    """Says a choice by the tools that are sent: none of them, one, or the allowed ones."""
    del out["tool_choice"]
    if choice == "none":
        del out["tools"]
        out.pop("parallel_tool_calls", None)
        return
    mode = "required"
    if type(choice) is dict:
        allowed = choice.get("allowed_tools")
        mode = allowed["mode"] if allowed else mode
        names = {_name(each) for each in (allowed["tools"] if allowed else [choice])}
        out["tools"] = [tool for tool in out["tools"] if _name(tool) in names]
    if mode in taken:
        out["tool_choice"] = mode
    elif mode != "auto":
        losses.add("tool_choice")


def _name(tool: Mapping[str, Any]) -> Any:
    """The name of a tool, or of a choice of one: both are nested under its type."""
    return tool[tool["type"]]["name"]


def _one_strict(tools: list[Any]) -> bool:
    """Whether all functions are strict, or none is."""
    values = {tool["function"].get("strict") is True for tool in tools if "function" in tool}
    return len(values) < 2


def _lenient(tool: Mapping[str, Any], losses: Losses) -> Mapping[str, Any]:
    function = tool.get("function")
    if function is None or "strict" not in function:
        return tool
    if function["strict"]:
        losses.add("tools.strict")
    return {**tool, "function": {key: each for key, each in function.items() if key != "strict"}}


# -- fields --------------------------------------------------------------------------------------------


def _drop(out: _Body, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    kept = {
        *_ALWAYS,
        quirks.max_tokens,
        *quirks.reasoning_on,
        *quirks.reasoning_off,
        quirks.effort_field.partition(".")[0],
    }
    for name in [name for name in out if name not in kept]:
        allowed = quirks.allowed_fields is None or name in quirks.allowed_fields
        if not allowed or name in quirks.dropped_fields:
            del out[name]
            losses.add(hub.field(_MAPPED.get(name, name)))
