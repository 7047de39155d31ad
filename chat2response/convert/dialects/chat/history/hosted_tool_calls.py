"""Writes calls of a vendor's hosted tools, for a conversation that continues with another backend.

An item that holds its own result becomes a function call with its output. A generated image becomes a user
message. An item without a result (a web search) is dropped with a loss.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import COMMON_KEYS
from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.validation import require_object, require_objects, require_string
from chat2response.wire.json import encode

_Item = dict[str, Any]

_MIME = {"jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "svg": "image/svg+xml"}
_COMPUTER = COMMON_KEYS | {"call_id", "action", "actions", "pending_safety_checks"}
_CODE = COMMON_KEYS | {"code", "container_id", "outputs"}
_SEARCH = COMMON_KEYS | {"queries", "results"}
_MCP = COMMON_KEYS | {"server_label", "name", "arguments", "output", "error", "approval_request_id"}


def _add_call_with_output(
    turns: TurnBuilder, index: int, item: _Item, keys: frozenset[str], name: str, arguments: str, output: Any
) -> None:
    """Adds a call with its output. The item's id becomes the call's id."""
    turns.join(index, item, keys)
    function = {"name": name, "arguments": arguments}
    call_id = require_string(item.get("id"), f"{turns.path(index)}.id")
    turns.add_answered_call({"id": call_id, "type": "function", "function": function}, output)


def _mcp_call(turns: TurnBuilder, index: int, item: _Item) -> None:
    path = turns.path(index)
    label = require_string(item.get("server_label"), f"{path}.server_label")
    name = require_string(item.get("name"), f"{path}.name")
    arguments = require_string(item.get("arguments"), f"{path}.arguments")
    error, output = item.get("error"), require_string(item.get("output") or "", f"{path}.output")
    if error:
        output = f"Error: {error if type(error) is str else encode(error).decode()}"
    _add_call_with_output(turns, index, item, _MCP, turns.tools.sent_name(label, name), arguments, output)


def _code(turns: TurnBuilder, index: int, item: _Item) -> None:
    path = turns.path(index)
    code = require_string(item.get("code") or "", f"{path}.code")
    parts: list[_Item] = []
    for number, output in enumerate(require_objects(item.get("outputs") or [], f"{path}.outputs")):
        where = f"{path}.outputs[{number}]"
        if output.get("type") == "image":
            url = require_string(output.get("url"), f"{where}.url")
            parts.append({"type": "input_image", "image_url": url})
        else:
            parts.append({"type": "input_text", "text": require_string(output.get("logs"), f"{where}.logs")})
    arguments = encode({"code": code}).decode()
    _add_call_with_output(turns, index, item, _CODE, "code_interpreter", arguments, parts)


def _file_search(turns: TurnBuilder, index: int, item: _Item) -> None:
    """The item holds results only if the client requested them with `include`."""
    path = turns.path(index)
    results = item.get("results")
    if not results:
        turns.losses.add(path)
        return
    texts = []
    for number, result in enumerate(require_objects(results, f"{path}.results")):
        body = require_string(result.get("text") or "", f"{path}.results[{number}].text")
        texts.append(f"{result.get('filename') or result.get('file_id')}:\n{body}")
    arguments = encode({"queries": item.get("queries") or []}).decode()
    _add_call_with_output(turns, index, item, _SEARCH, "file_search", arguments, "\n\n".join(texts))


def _image(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Puts the image into a user message: an assistant message cannot hold one."""
    result = item.get("result")
    path = turns.path(index)
    if not result:
        turns.losses.add(path)
        return
    mime = _MIME.get(str(item.get("output_format")), "image/png")
    url = f"data:{mime};base64,{require_string(result, f'{path}.result')}"
    label = {"type": "text", "text": f"From tool image_generation ({item.get('id')}):"}
    turns.losses.add(path, "moved to a user message")
    turns.add_message({"role": "user", "content": [label, {"type": "image_url", "image_url": {"url": url}}]})


def _computer(turns: TurnBuilder, index: int, item: _Item) -> None:
    """Writes a computer call. The client runs it, and its output is a screenshot."""
    path = turns.path(index)
    turns.join(index, item, _COMPUTER)
    arguments = {key: item[key] for key in ("action", "actions") if item.get(key) is not None}
    if "action" in arguments:
        require_object(arguments["action"], f"{path}.action")
    function = {"name": "computer", "arguments": encode(arguments).decode()}
    call_id = require_string(item.get("call_id"), f"{path}.call_id")
    turns.add_call({"id": call_id, "type": "function", "function": function}, index)


def _drop(turns: TurnBuilder, index: int, item: _Item) -> None:
    turns.losses.add(turns.path(index))


ITEMS: dict[str, Callable[[TurnBuilder, int, _Item], None]] = {
    **dict.fromkeys(("mcp_approval_request", "mcp_list_tools", "program", "program_output"), _drop),
    "code_interpreter_call": _code,
    "computer_call": _computer,
    "file_search_call": _file_search,
    "image_generation_call": _image,
    "mcp_call": _mcp_call,
    "web_search_call": _drop,
}
