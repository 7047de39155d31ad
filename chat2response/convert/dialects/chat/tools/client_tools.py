"""Responses' own client-run tools toward a Chat backend: functions of the same name.

    local_shell   {command, env, ...}              local_shell_call   action
    shell         {commands, timeout_ms, ...}      shell_call         action
    apply_patch   {type, path, diff}               apply_patch_call   operation
    tool_search   what the client says it takes    tool_search_call   arguments

Only what the client runs itself is here: a shell in a vendor's container, or a search that the vendor makes,
is none of these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chat2response.convert.validation import require_object
from chat2response.wire.json import JSONError, decode

BuiltinKind = Literal["local_shell", "shell", "apply_patch", "tool_search"]
_Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Builtin:
    """One of them: the function, and its calls both ways."""

    description: str
    parameters: Mapping[str, Any]
    call: str
    """The type of its call."""
    holder: str
    """The field of the call that holds what it is given."""
    made: Callable[[_Item], _Item | None]
    """The call's own fields, of the function's arguments; None where those will not do."""
    given: Callable[[Any], Any] = lambda held: held
    """The function's arguments, of the call's field."""


def read_arguments(kind: BuiltinKind, arguments: str) -> _Item | None:
    """The call that a backend's arguments mean; None where they mean none."""
    try:
        given = decode(arguments or "{}")
    except JSONError:
        return None
    builtin = BUILTINS[kind]
    fields = builtin.made(given) if type(given) is dict else None
    return None if fields is None else {"type": builtin.call, "status": "completed", **fields}


def client_runs(tool: Mapping[str, Any], path: str) -> bool:
    """Whether a tool of one of these types is run by the client itself."""
    if tool["type"] == "tool_search":
        return tool.get("execution") == "client"
    environment = tool.get("environment")
    return environment is None or require_object(environment, f"{path}.environment").get("type") == "local"


def _words(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(each) is str for each in value)


def _local_shell(given: _Item) -> _Item | None:
    command = given.get("command")
    if type(command) is str and command:
        command = ["bash", "-lc", command]
    if not _words(command):
        return None
    env = given.get("env")
    action: _Item = {"type": "exec", "command": command, "env": env if type(env) is dict else {}}
    action.update({key: given[key] for key in _LOCAL if given.get(key) is not None})
    return {"action": action}


def _without_type(action: Any) -> Any:
    if type(action) is not dict:
        return action
    return {key: value for key, value in action.items() if key != "type" and value not in (None, {})}


def _shell(given: _Item) -> _Item | None:
    commands = given.get("commands")
    if type(commands) is str and commands:
        commands = [commands]
    if not _words(commands):
        return None
    limits = {key: given.get(key) if type(given.get(key)) is int else None for key in _LIMITS}
    return {"action": {"commands": commands, **limits}, "environment": {"type": "local"}}


def _without_nulls(action: Any) -> Any:
    if type(action) is not dict:
        return action
    return {key: value for key, value in action.items() if value is not None}


def _apply_patch(given: _Item) -> _Item | None:
    kind, path, diff = given.get("type"), given.get("path"), given.get("diff")
    if type(path) is not str or not path:
        return None
    if kind == "delete_file":
        return {"operation": {"type": kind, "path": path}}
    if kind == "create_file" and diff is None:
        diff = ""
    if kind not in ("create_file", "update_file") or type(diff) is not str:
        return None
    return {"operation": {"type": kind, "path": path, "diff": diff}}


def _tool_search(given: _Item) -> _Item | None:
    return {"execution": "client", "arguments": given}


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

BUILTINS: dict[BuiltinKind, Builtin] = {
    "local_shell": Builtin(
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
    "shell": Builtin(
        "Runs shell commands on the user's machine, and returns what each wrote and its exit code.",
        _object("commands", commands=_TEXTS, timeout_ms=_NUMBER, max_output_length=_NUMBER),
        "shell_call",
        "action",
        _shell,
        _without_nulls,
    ),
    "apply_patch": Builtin(
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
    "tool_search": Builtin(
        "Searches for tools; those that are found can be called from then on.",
        _object("query", query=_TEXT),
        "tool_search_call",
        "arguments",
        _tool_search,
    ),
}
CALLED: dict[str, BuiltinKind] = {each.call: kind for kind, each in BUILTINS.items()}
"""The kind, by the type of its call."""
