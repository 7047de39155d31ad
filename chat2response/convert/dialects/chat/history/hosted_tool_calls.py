"""What a vendor's own tools did, in a conversation that goes on elsewhere.

Where an item holds both what was asked and what came of it, it is told as a call with its output; where the
result is an image, it is shown; where nothing of the result is in it (a web search), it is lost.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import ANY
from chat2response.convert.dialects.chat.history.turns import Turns
from chat2response.convert.validation import require_object, require_objects, require_string
from chat2response.wire.json import encode

_Item = dict[str, Any]

_MIME = {"jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "svg": "image/svg+xml"}
_COMPUTER = ANY | {"call_id", "action", "actions", "pending_safety_checks"}
_CODE = ANY | {"code", "container_id", "outputs"}
_SEARCH = ANY | {"queries", "results"}
_MCP = ANY | {"server_label", "name", "arguments", "output", "error", "approval_request_id"}


def _told(
    turns: Turns, index: int, item: _Item, known: frozenset[str], name: str, arguments: str, content: Any
) -> None:
    """As a call and its output; the item's own id is the call's."""
    turns.join(index, item, known)
    function = {"name": name, "arguments": arguments}
    call_id = require_string(item.get("id"), f"{turns.path(index)}.id")
    turns.call_with({"id": call_id, "type": "function", "function": function}, content)


def _mcp_call(turns: Turns, index: int, item: _Item) -> None:
    path = turns.path(index)
    label = require_string(item.get("server_label"), f"{path}.server_label")
    name = require_string(item.get("name"), f"{path}.name")
    arguments = require_string(item.get("arguments"), f"{path}.arguments")
    error, output = item.get("error"), require_string(item.get("output") or "", f"{path}.output")
    if error:
        output = f"Error: {error if type(error) is str else encode(error).decode()}"
    _told(turns, index, item, _MCP, turns.tools.sent(label, name), arguments, output)


def _code(turns: Turns, index: int, item: _Item) -> None:
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
    _told(turns, index, item, _CODE, "code_interpreter", arguments, parts)


def _file_search(turns: Turns, index: int, item: _Item) -> None:
    """Results are in it only where the client asked for them."""
    path = turns.path(index)
    results = item.get("results")
    if not results:
        turns.losses.add(path)
        return
    found = []
    for number, result in enumerate(require_objects(results, f"{path}.results")):
        said = require_string(result.get("text") or "", f"{path}.results[{number}].text")
        found.append(f"{result.get('filename') or result.get('file_id')}:\n{said}")
    arguments = encode({"queries": item.get("queries") or []}).decode()
    _told(turns, index, item, _SEARCH, "file_search", arguments, "\n\n".join(found))


def _image(turns: Turns, index: int, item: _Item) -> None:
    """The image, in a message of the user's: an assistant's cannot hold one."""
    result = item.get("result")
    path = turns.path(index)
    if not result:
        turns.losses.add(path)
        return
    mime = _MIME.get(str(item.get("output_format")), "image/png")
    url = f"data:{mime};base64,{require_string(result, f'{path}.result')}"
    said = {"type": "text", "text": f"From tool image_generation ({item.get('id')}):"}
    turns.losses.add(path, "moved to a user message")
    turns.message({"role": "user", "content": [said, {"type": "image_url", "image_url": {"url": url}}]})


def _computer(turns: Turns, index: int, item: _Item) -> None:
    """Asked of the client, which answers with a screenshot."""
    path = turns.path(index)
    turns.join(index, item, _COMPUTER)
    given = {key: item[key] for key in ("action", "actions") if item.get(key) is not None}
    if "action" in given:
        require_object(given["action"], f"{path}.action")
    function = {"name": "computer", "arguments": encode(given).decode()}
    call_id = require_string(item.get("call_id"), f"{path}.call_id")
    turns.call({"id": call_id, "type": "function", "function": function}, index)


def _lost(turns: Turns, index: int, item: _Item) -> None:
    turns.losses.add(turns.path(index))


ITEMS: dict[str, Callable[[Turns, int, _Item], None]] = {
    **dict.fromkeys(("mcp_approval_request", "mcp_list_tools", "program", "program_output"), _lost),
    "code_interpreter_call": _code,
    "computer_call": _computer,
    "file_search_call": _file_search,
    "image_generation_call": _image,
    "mcp_call": _mcp_call,
    "web_search_call": _lost,
}
