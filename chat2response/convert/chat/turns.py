"""Items into messages.

Chat wants one assistant message per model turn, and right after it the outputs of its calls, in the order
of the calls. A turn is a run of assistant items; an output, or an item of another role, ends it. So
`call call output output` is one turn, `call output call output` are two, and a user's item that stands
between a call and its output comes after the output. The n-th call with an id is answered by the n-th
output with it: some backends use the same ids in every turn.
"""

from collections.abc import Callable
from typing import Any

from chat2response.convert import foreign
from chat2response.convert.chat.custom import write_call
from chat2response.convert.chat.parts import lone_text, plain_text, write_part, write_parts
from chat2response.convert.chat.system import leading, merged
from chat2response.convert.chat.thoughts import Thoughts
from chat2response.convert.chat.toolmap import ToolMap
from chat2response.convert.check import invalid, missing, sequence, text, unsupported, wrong_type
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks import Quirks
from chat2response.convert.thought import open_thought
from chat2response.errors import InvalidRequest

_Item = dict[str, Any]

_ANY = frozenset({"type", "id", "status", "created_by"})
_MESSAGE_KEYS = _ANY | {"role", "content", "name", "phase"}
_CALL_KEYS = _ANY | {"call_id", "name", "namespace", "arguments", "input", "caller", "async"}
_OUTPUT_KEYS = _ANY | {"call_id", "output", "name", "namespace", "caller"}
_REASONING_KEYS = _ANY | {"summary", "content", "encrypted_content", "field"}

_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})

_NO_OUTPUT = "The output follows in the next message."


def write_messages(hub: HubRequest, losses: Losses, quirks: Quirks, tools: ToolMap) -> list[dict[str, Any]]:
    """Chat's `messages` of the hub's instructions and input. Raises InvalidRequest with the client's path."""
    writer = _Turns(hub, losses, quirks, tools)
    instructions = hub.body.get("instructions")
    if instructions:
        content = text(instructions, "instructions")
        writer.messages.append({"role": writer.roles["developer"], "content": content})
    asked: Any = hub.body.get("input")
    if asked is None:
        raise missing(hub.field("input"))
    if type(asked) is str:
        writer.messages.append({"role": "user", "content": asked})
    else:
        writer.write(sequence(asked, "input"))
    if not writer.messages:
        raise invalid(hub.field("input"), "The request has no message to send.")
    return merged(writer.messages) if quirks.system_placement == "merged" else writer.messages


class _Turns:
    """Collects the assistant's turn that is open, and writes it once it is over."""

    __slots__ = (
        "answered", "answers", "calls", "hub", "losses", "messages", "name",
        "open", "outputs", "parts", "quirks", "refusal", "roles", "thoughts", "tools",
    )  # fmt: skip

    def __init__(self, hub: HubRequest, losses: Losses, quirks: Quirks, tools: ToolMap) -> None:
        self.hub = hub
        self.losses = losses
        self.quirks = quirks
        self.tools = tools
        self.roles = _ROLES if quirks.developer_role else _WITHOUT_DEVELOPER
        self.messages: list[dict[str, Any]] = []
        self.outputs: dict[str, list[tuple[int, _Item]]] = {}
        self._start()

    def _start(self) -> None:
        self.open = False
        self.answered = False  # an output of the open turn was met: the next assistant item is a new turn
        self.thoughts = Thoughts(self.quirks)
        self.parts: list[dict[str, Any]] = []
        self.refusal = ""
        self.name: str | None = None
        self.calls: list[dict[str, Any]] = []
        self.answers: list[tuple[int, _Item]] = []

    def write(self, items: list[Any]) -> None:
        """All items. Outputs are looked up ahead, because they follow their call at once."""
        for index, item in enumerate(items):
            if type(item) is not dict:
                raise wrong_type(self.hub.item_path(index), "an object", item)
            kind = item.get("type")
            if type(kind) is str and kind in _OUTPUTS:
                call_id = item.get("call_id")
                if type(call_id) is not str:
                    call_id = self._match(items, index)
                    items = [*items[:index], {**item, "call_id": call_id}, *items[index + 1 :]]
                    item = items[index]
                self.outputs.setdefault(call_id, []).append((index, item))
        for index, item in enumerate(items):
            kind = item.get("type")
            write = _ITEMS.get(kind, _Turns._other) if type(kind) is str else _Turns._other
            write(self, index, item)
        if self.open:
            self._end()

    def _match(self, items: list[Any], index: int) -> str:
        """The id for an output that has a name only: that of the first unanswered call of this name."""
        item = items[index]
        path = f"{self.hub.item_path(index)}.call_id"
        if item.get("call_id") is not None:
            raise wrong_type(path, "a string", item["call_id"])
        for call in items[:index]:
            call_id = call.get("call_id")
            same = call.get("type") == "function_call" and call.get("name") == item.get("name")
            if same and type(call_id) is str and call_id not in self.outputs:
                return call_id
        raise missing(path)

    def _other(self, index: int, item: _Item) -> None:
        """Messages without a type; items that Chat has no message for."""
        kind = item.get("type")
        path = self.hub.item_path(index)
        if kind is None and "role" in item:
            self._message(index, item)
            return
        if kind is None and type(item.get("id")) is str:
            kind = "item_reference"
        if text(kind, f"{path}.type") in _NOT_YET:
            message = f"An input item of type '{kind}' cannot be sent to a Chat Completions upstream."
            raise unsupported(f"{path}.type", message)
        self.losses.add(path)

    def _message(self, index: int, item: _Item) -> None:
        role = item.get("role")
        if role == "assistant":
            self._answer(index, item)
            return
        name = self.roles.get(role) if type(role) is str else None
        if name is None:
            path = f"{self.hub.item_path(index)}.role"
            raise invalid(path, f"A message of role '{text(role, path)}' cannot be sent to a Chat upstream.")
        if self.open:
            self._end()
        content = item.get("content")
        if type(content) is not str:
            path = f"{self.hub.item_path(index)}.content"
            if type(content) is not list:
                raise _no_array(content, path)
            content = write_parts(content, path, self.losses, flatten=self.quirks.flatten_content)
        message = {"role": name, "content": content}
        if item.get("name") is not None and self._may_name(index):
            message["name"] = item["name"]
        if self.quirks.system_placement == "merged" and name != "user" and not leading(self.messages):
            self.losses.add(self.hub.item_path(index), "moved to the first message")
        self.messages.append(message)
        if not _MESSAGE_KEYS.issuperset(item):
            foreign.note(item, _MESSAGE_KEYS, self.hub.item_path(index), self.losses)

    def _may_name(self, index: int) -> bool:
        if not self.quirks.message_names:
            self.losses.add(f"{self.hub.item_path(index)}.name")
        return self.quirks.message_names

    def _assistant(self, index: int, item: _Item, known: frozenset[str]) -> None:
        """Every assistant item comes through here: it joins the open turn, or starts the next one."""
        if self.answered:
            self._end()
        self.open = True
        if not known.issuperset(item):
            foreign.note(item, known, self.hub.item_path(index), self.losses)

    def _answer(self, index: int, item: _Item) -> None:
        self._assistant(index, item, _MESSAGE_KEYS)
        if item.get("name") and self._may_name(index):
            self.name = item["name"]
        content = item.get("content")
        if type(content) is str:
            content = [{"type": "text", "text": content}] if content else []
        elif type(content) is not list:
            raise _no_array(content, f"{self.hub.item_path(index)}.content")
        for number, part in enumerate(content):
            plain = plain_text(part)
            if plain is None:
                self._answer_part(part, f"{self.hub.item_path(index)}.content[{number}]")
            elif plain:
                self.parts.append({"type": "text", "text": plain})

    def _answer_part(self, part: Any, path: str) -> None:
        if type(part) is dict and part.get("type") == "refusal":
            self.refusal += text(part.get("refusal"), f"{path}.refusal")
            return
        made = write_part(part, path, self.losses)
        if made["type"] != "text":
            raise unsupported(path, "An assistant's message can hold text and refusals only.")
        if made["text"]:
            self.parts.append(made)

    def _reasoning(self, index: int, item: _Item) -> None:
        self._assistant(index, item, _REASONING_KEYS)
        path = self.hub.item_path(index)
        if item.get("encrypted_content") is not None:
            thought = open_thought(item["encrypted_content"], self.hub.seal)
            if thought is not None:
                self.thoughts.opened(thought)
                return
            self.losses.add(f"{path}.encrypted_content")
        for key in ("content", "summary"):
            parts = item.get(key)
            if parts:
                where = f"{path}.{key}"
                for number, part in enumerate(sequence(parts, where)):
                    self.thoughts.shown(_thought(part, f"{where}[{number}]"))
                break

    def _call(self, index: int, item: _Item) -> None:
        self._assistant(index, item, _CALL_KEYS)
        call_id, name, arguments = item.get("call_id"), item.get("name"), item.get("arguments")
        if type(call_id) is not str or type(name) is not str or type(arguments) is not str:
            for key in ("call_id", "name", "arguments"):
                text(item.get(key), f"{self.hub.item_path(index)}.{key}")
        function = {"name": self._sent(index, item), "arguments": arguments}
        self._made({"id": call_id, "type": "function", "function": function})

    def _custom_call(self, index: int, item: _Item) -> None:
        self._assistant(index, item, _CALL_KEYS)
        path = self.hub.item_path(index)
        call_id, _, given = (text(item.get(key), f"{path}.{key}") for key in ("call_id", "name", "input"))
        self._made(write_call(call_id, self._sent(index, item), given, native=self.quirks.custom_tools))

    def _sent(self, index: int, item: _Item) -> str:
        """The name under which the backend knows the called tool."""
        namespace = item.get("namespace")
        if namespace is not None:
            text(namespace, f"{self.hub.item_path(index)}.namespace")
        return self.tools.sent(namespace, item["name"])

    def _made(self, call: dict[str, Any]) -> None:
        """A call joins the turn, with its output."""
        outputs = self.outputs.get(call["id"])
        if not outputs:
            raise self._orphan(f"No tool output found for function call {call['id']}.")
        self.calls.append(call)
        self.answers.append(outputs.pop(0))

    def _output(self, index: int, item: _Item) -> None:
        waiting = self.outputs[item["call_id"]]
        if waiting and waiting[0][0] == index:
            message = f"No tool call found for function call output with call_id {item['call_id']}."
            raise self._orphan(message)
        self.answered = True
        if not _OUTPUT_KEYS.issuperset(item):
            foreign.note(item, _OUTPUT_KEYS, self.hub.item_path(index), self.losses)

    def _skip(self, index: int, item: _Item) -> None:
        """Its tools are among the request's: it is no message."""

    def _orphan(self, message: str) -> Exception:
        return InvalidRequest(message, param=self.hub.field("input"))

    def _end(self) -> None:
        """Writes the open turn: the assistant's message, its outputs, then what outputs cannot carry."""
        message = self._spoken()
        if message is not None:
            self.messages.append(message)
        shown: list[dict[str, Any]] = []
        for call, (index, item) in zip(self.calls, self.answers, strict=True):
            content = item.get("output")
            if type(content) is not str:
                content = self._result(index, content, call, shown)
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        if shown:
            self.messages.append({"role": "user", "content": shown})
        self._start()

    def _spoken(self) -> dict[str, Any] | None:
        """The assistant's message; None when nothing is in it that this backend takes."""
        if not (self.parts or self.refusal or self.calls or self.thoughts.due(self.calls)):
            return None
        message: dict[str, Any] = {"role": "assistant"}
        if self.parts:
            message["content"] = lone_text(self.parts, flatten=self.quirks.flatten_content)
        else:
            message["content"] = None if self.calls or self.refusal else ""
        if self.refusal:
            message["refusal"] = self.refusal
        if self.name is not None:
            message["name"] = self.name
        self.thoughts.put(message, self.calls)
        if self.calls:
            message["tool_calls"] = self.calls
        return message

    def _result(self, index: int, output: Any, call: dict[str, Any], shown: list[dict[str, Any]]) -> Any:
        """A tool message's content: the text parts. Images and files go to `shown`, with a loss."""
        path = f"{self.hub.item_path(index)}.{'content' if self.hub.dialect == 'chat' else 'output'}"
        if type(output) is not list:
            raise _no_array(output, path)
        texts = []
        before = len(shown)
        for number, part in enumerate(output):
            where = f"{path}[{number}]"
            made = write_part(part, where, self.losses)
            if made["type"] == "text":
                texts.append(made)
                continue
            if len(shown) == before:
                origin = f"From tool {call[call['type']]['name']} (call {call['id']}):"
                shown.append({"type": "text", "text": origin})
            shown.append(made)
            self.losses.add(where, "moved to a user message")
        if not texts:
            return _NO_OUTPUT if len(shown) > before else ""
        return lone_text(texts, flatten=self.quirks.flatten_content)


def _no_array(content: Any, path: str) -> Exception:
    return missing(path) if content is None else wrong_type(path, "a string or an array", content)


def _thought(part: Any, path: str) -> str:
    if type(part) is not dict:
        raise wrong_type(path, "an object", part)
    return text(part.get("text"), f"{path}.text")


_ROLES = {"user": "user", "system": "system", "developer": "developer"}
_WITHOUT_DEVELOPER = {"user": "user", "system": "system", "developer": "system"}

_ITEMS: dict[str, Callable[[_Turns, int, _Item], None]] = {
    "message": _Turns._message,
    "reasoning": _Turns._reasoning,
    "function_call": _Turns._call,
    "function_call_output": _Turns._output,
    "custom_tool_call": _Turns._custom_call,
    "custom_tool_call_output": _Turns._output,
    "additional_tools": _Turns._skip,
}

# What these mean must not be lost; the rest (a search that was made, a list of tools) says nothing to Chat.
_NOT_YET = frozenset(
    {
        "agent_message",
        "apply_patch_call",
        "apply_patch_call_output",
        "compaction",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "item_reference",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "multi_agent_call",
        "multi_agent_call_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
    }
)
