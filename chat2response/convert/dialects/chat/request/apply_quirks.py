"""Adapts a finished Chat body to one backend: drops, renames or re-expresses the fields that the backend
refuses, and adds those that it needs. A value that the client sent itself wins over an added one.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks, ToolChoiceKind

_Body = dict[str, Any]

# These fields are sent whatever the quirks list: without them the body would mean something else.
_ESSENTIAL = frozenset(
    {"model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls"}
)
_HUB_NAMES = {
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}


def apply_quirks(out: _Body, effort: Any, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    """Adapts `out` in place; `effort` is the reasoning effort that the client requested, or None."""
    if effort is not None:
        _apply_effort(out, effort, hub, losses, quirks)
    if "tools" in out:
        _apply_tool_quirks(out, hub, losses, quirks)
    if not quirks.usage_in_stream:
        out.pop("stream_options", None)
    if quirks.dropped_fields or quirks.allowed_fields is not None:
        _drop_fields(out, hub, losses, quirks)
    for name, new_name in quirks.renamed_fields.items():
        if name in out:
            out.setdefault(new_name, out.pop(name))
    if quirks.extra_body:
        add_missing(out, quirks.extra_body)


def add_missing(out: _Body, fields: Mapping[str, Any]) -> None:
    """Adds those `fields` that `out` does not have yet; merges objects of the same name."""
    for name, value in fields.items():
        current = out.get(name)
        if type(current) is dict and isinstance(value, Mapping):
            merged = dict(current)
            add_missing(merged, value)
            out[name] = merged
        elif current is None:
            out[name] = value


def _apply_effort(out: _Body, effort: Any, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    if effort == "none" and quirks.reasoning_off:
        add_missing(out, quirks.reasoning_off)
        return
    value = quirks.effort_values.get(effort, effort) if type(effort) is str else effort
    if not quirks.effort_field:
        losses.add(hub.field("reasoning.effort"), "switched on, without a level")
    else:
        if value != effort:
            losses.add(hub.field("reasoning.effort"), f"sent as {value}")
        _set_path(out, quirks.effort_field, value)
    if value != "none":
        add_missing(out, quirks.reasoning_on)


def _set_path(out: _Body, path: str, value: Any) -> None:
    """Sets the member at a dotted path. It replaces a client's value: a mapped field wins."""
    name, _, inner = path.partition(".")
    if inner:
        current = out.get(name)
        out[name] = current = dict(current) if type(current) is dict else {}
        _set_path(current, inner, value)
    else:
        out[name] = value


# -- tools ---------------------------------------------------------------------------------------------


def _apply_tool_quirks(out: _Body, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    choice = out.get("tool_choice")
    if choice is not None:
        accepted = _accepted_choices(out, quirks)
        if _choice_kind(choice) not in accepted:
            _express_choice(out, choice, losses, accepted)
    if not quirks.parallel_tools and out.pop("parallel_tool_calls", None) is False:
        losses.add("parallel_tool_calls")
    if "tools" in out and not (quirks.strict_tools and (quirks.mixed_strict or _all_alike(out["tools"]))):
        out["tools"] = [_without_strict(tool, losses) for tool in out["tools"]]


def _choice_kind(choice: Any) -> ToolChoiceKind:
    if type(choice) is dict:
        return "allowed" if choice.get("type") == "allowed_tools" else "named"
    return "none" if choice == "none" else "required" if choice == "required" else "auto"


def _accepted_choices(out: _Body, quirks: Quirks) -> frozenset[ToolChoiceKind]:
    """The kinds of `tool_choice` that the backend accepts with this body (its reasoning fields matter)."""
    thinking_only = quirks.thinking_tool_choices
    return quirks.tool_choices if thinking_only is None or not _is_thinking(out, quirks) else thinking_only


def _is_thinking(out: _Body, quirks: Quirks) -> bool:
    if quirks.reasoning_off and _contains(out, quirks.reasoning_off):
        return False
    return quirks.thinks_unasked or (bool(quirks.reasoning_on) and _contains(out, quirks.reasoning_on))


def _contains(out: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Whether `out` has every member of `fields`, with the same values."""
    for name, value in fields.items():
        current = out.get(name)
        if isinstance(value, Mapping):
            if type(current) is not dict or not _contains(current, value):
                return False
        elif current != value:
            return False
    return True


def _express_choice(out: _Body, choice: Any, losses: Losses, accepted: frozenset[ToolChoiceKind]) -> None:
    """Expresses the choice by sending fewer tools: none, the named one, or the allowed ones."""
    del out["tool_choice"]
    if choice == "none":
        del out["tools"]
        out.pop("parallel_tool_calls", None)
        return
    mode = "required"
    if type(choice) is dict:
        allowed = choice.get("allowed_tools")
        mode = allowed["mode"] if allowed else mode
        names = {_tool_name(member) for member in (allowed["tools"] if allowed else [choice])}
        out["tools"] = [tool for tool in out["tools"] if _tool_name(tool) in names]
    if mode in accepted:
        out["tool_choice"] = mode
    elif mode != "auto":
        losses.add("tool_choice")


def _tool_name(tool: Mapping[str, Any]) -> Any:
    """The name of a tool or of a tool choice. Both nest it under their type."""
    return tool[tool["type"]]["name"]


def _all_alike(tools: list[Any]) -> bool:
    """Whether either all functions are strict or none is."""
    values = {tool["function"].get("strict") is True for tool in tools if "function" in tool}
    return len(values) < 2


def _without_strict(tool: Mapping[str, Any], losses: Losses) -> Mapping[str, Any]:
    function = tool.get("function")
    if function is None or "strict" not in function:
        return tool
    if function["strict"]:
        losses.add("tools.strict")
    return {**tool, "function": {key: member for key, member in function.items() if key != "strict"}}


# -- fields --------------------------------------------------------------------------------------------


def _drop_fields(out: _Body, hub: HubRequest, losses: Losses, quirks: Quirks) -> None:
    protected = {
        *_ESSENTIAL,
        quirks.max_tokens,
        *quirks.reasoning_on,
        *quirks.reasoning_off,
        quirks.effort_field.partition(".")[0],
    }
    for name in [name for name in out if name not in protected]:
        allowed = quirks.allowed_fields is None or name in quirks.allowed_fields
        if not allowed or name in quirks.dropped_fields:
            del out[name]
            losses.add(hub.field(_HUB_NAMES.get(name, name)))
