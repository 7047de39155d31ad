"""Sends Responses' client-run tools to a Chat backend as functions of the same name.

    function      arguments                        call type          field of the call
    local_shell   {command, env, ...}              local_shell_call   action
    shell         {commands, timeout_ms, ...}      shell_call         action
    apply_patch   {type, path, diff}               apply_patch_call   operation
    tool_search   as the client declares them      tool_search_call   arguments

Only tools that the client runs itself are here, not a shell in a vendor's container or a hosted search.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chat2response.convert.validation import require_object
from chat2response.wire.json import JSONError, decode

ClientToolKind = Literal["local_shell", "shell", "apply_patch", "tool_search"]
_Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A client-run tool: the function that replaces it, and how its calls are converted."""

    description: str
    parameters: Mapping[str, Any]
    call_type: str
    """The type of its call items."""
    payload_field: str
    """The field of the call item that holds its arguments."""
    build_fields: Callable[[_Item], _Item | None]
    """Builds the fields of the call item from the function's arguments; None if they are invalid."""
    to_arguments: Callable[[Any], Any] = lambda payload: payload
    """Builds the function's arguments from the payload field."""


def read_call(kind: ClientToolKind, arguments_json: str) -> _Item | None:
    """Builds the call item from a backend's arguments. None if they are invalid."""
    try:
        arguments = decode(arguments_json or "{}")
    except JSONError:
        return None
    client_tool = CLIENT_TOOLS[kind]
    fields = client_tool.build_fields(arguments) if type(arguments) is dict else None
    return None if fields is None else {"type": client_tool.call_type, "status": "completed", **fields}


def is_client_run(tool: Mapping[str, Any], path: str) -> bool:
    """Whether the client itself runs this tool, which is of one of these types."""
    if tool["type"] == "tool_search":
        return tool.get("execution") == "client"
    environment = tool.get("environment")
    return environment is None or require_object(environment, f"{path}.environment").get("type") == "local"


def _is_string_list(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(member) is str for member in value)


def _local_shell(arguments: _Item) -> _Item | None:
    command = arguments.get("command")
    if type(command) is str and command:
        command = ["bash", "-lc", command]
    if not _is_string_list(command):
        return None
    env = arguments.get("env")
    action: _Item = {"type": "exec", "command": command, "env": env if type(env) is dict else {}}
    action.update({key: arguments[key] for key in _LOCAL if arguments.get(key) is not None})
    return {"action": action}


def _without_type(action: Any) -> Any:
    if type(action) is not dict:
        return action
    return {key: value for key, value in action.items() if key != "type" and value not in (None, {})}


def _shell(arguments: _Item) -> _Item | None:
    commands = arguments.get("commands")
    if type(commands) is str and commands:
        commands = [commands]
    if not _is_string_list(commands):
        return None
    limits = {key: arguments.get(key) if type(arguments.get(key)) is int else None for key in _LIMITS}
    return {"action": {"commands": commands, **limits}, "environment": {"type": "local"}}


def _without_nulls(action: Any) -> Any:
    if type(action) is not dict:
        return action
    return {key: value for key, value in action.items() if value is not None}


def _apply_patch(arguments: _Item) -> _Item | None:
    kind, path, diff = arguments.get("type"), arguments.get("path"), arguments.get("diff")
    if type(path) is not str or not path:
        return None
    if kind == "delete_file":
        return {"operation": {"type": kind, "path": path}}
    if kind == "create_file" and diff is None:
        diff = ""
    if kind not in ("create_file", "update_file") or type(diff) is not str:
        return None
    return {"operation": {"type": kind, "path": path, "diff": diff}}


def _tool_search(arguments: _Item) -> _Item | None:
    return {"execution": "client", "arguments": arguments}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_LOCAL = ("timeout_ms", "user", "working_directory")
_LIMITS = ("timeout_ms", "max_output_length")
_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_TEXTS = {"type": "array", "items": _TEXT}

CLIENT_TOOLS: dict[ClientToolKind, ClientTool] = {
    "local_shell": ClientTool(
        "Runs a command on the user's machine and returns its output. `command` is the program and its "
        "arguments.",
        _object(
            "command",
            command=_TEXTS,
            env={"type": "object", "additionalProperties": _TEXT},
            timeout_ms=_NUMBER,
            user=_TEXT,
            working_directory=_TEXT,
        ),
        "local_shell_call",
        "action",
        _local_shell,
        _without_type,
    ),
    "shell": ClientTool(
        "Runs shell commands on the user's machine, and returns what each wrote and its exit code.",
        _object("commands", commands=_TEXTS, timeout_ms=_NUMBER, max_output_length=_NUMBER),
        "shell_call",
        "action",
        _shell,
        _without_nulls,
    ),
    "apply_patch": ClientTool(
        "Creates, changes or deletes one file. `diff` is a V4A diff: of the whole new file for "
        "`create_file`, of the change for `update_file`; `delete_file` has none.",
        _object(
            "type path",
            type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            path=_TEXT,
            diff=_TEXT,
        ),
        "apply_patch_call",
        "operation",
        _apply_patch,
    ),
    "tool_search": ClientTool(
        "Searches for tools; those that are found can be called from then on.",
        _object("query", query=_TEXT),
        "tool_search_call",
        "arguments",
        _tool_search,
    ),
}
KIND_BY_CALL_TYPE: dict[str, ClientToolKind] = {tool.call_type: kind for kind, tool in CLIENT_TOOLS.items()}
