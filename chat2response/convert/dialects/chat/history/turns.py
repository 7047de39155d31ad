"""Groups items into assistant turns, and writes each turn as Chat messages.

Chat wants one assistant message per model turn, and right after it the outputs of its calls, in the order of
the calls. A turn is a run of assistant items; an output, or an item of another role, ends it. So `call call
output output` is one turn, `call output call output` are two, and a user item between a call and its output
moves behind the output. The other files of `history/` convert the items themselves.
"""

from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.history.call_ids import fit_call_id
from chat2response.convert.dialects.chat.history.call_pairing import MISSING_OUTPUT, CallPairing
from chat2response.convert.dialects.chat.history.reasoning import TurnReasoning, add_missing_signature
from chat2response.convert.dialects.chat.history.reasoning_context import ReasoningContext
from chat2response.convert.dialects.chat.history.system_messages import as_user_message, join_system_messages
from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS, output_content
from chat2response.convert.dialects.chat.request.content_parts import simplify_content, write_part
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy
from chat2response.errors import InvalidRequest

_Item = dict[str, Any]
_Call = dict[str, Any]
_Message = dict[str, Any]

_NO_OUTPUT = "The output follows in the next message."


class TurnBuilder:
    """Collects the items of the open assistant turn, and writes its messages when it ends."""

    __slots__ = (
        "_context", "_has_output", "_is_open", "_items", "_outputs", "_pairing", "_reasoning", "_system_head",
        "calls", "hub", "losses", "messages", "name", "parts", "policy", "quirks", "refusals", "tools",
    )  # fmt: skip

    def __init__(
        self, hub: HubRequest, losses: Losses, tools: ToolMap, policy: Policy, items: list[Any]
    ) -> None:
        self.hub = hub
        self.losses = losses
        self.quirks = tools.quirks
        self.tools = tools
        self.policy = policy
        self.messages: list[_Message] = []
        self._items = items
        self._context: ReasoningContext | None = None
        self._system_head: list[_Message] = []  # the leading system messages, to be joined
        self._pairing = CallPairing(items, hub)
        self._reset()

    def _reset(self) -> None:
        self._is_open = False
        self._has_output = False  # whether an output was read: the next assistant item then starts a new turn
        self._reasoning: TurnReasoning | None = None
        self.parts: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.name: str | None = None
        self.calls: list[dict[str, Any]] = []
        self._outputs: list[int | str | list[Any]] = []  # for each call, the output or its index

    # -- adding items --------------------------------------------------------------------------------

    def path(self, index: int) -> str:
        """The client's path of the item at `index`."""
        return self.hub.item_path(index)

    def add_message(self, message: _Message) -> None:
        """Adds a message of a role other than assistant, which ends the open turn."""
        self.end_turn()
        self.messages.append(message)

    def add_system_message(self, message: _Message, path: str) -> None:
        """Adds a system message where the backend accepts one (quirk `system_placement`)."""
        self.end_turn()
        placement = self.quirks.system_placement
        if placement == "in_place":
            self.messages.append(message)
        elif not self.messages:
            if self._system_head and "name" in message:
                self.losses.add(f"{path}.name", "dropped: joined with the message before it")
            self._system_head.append(message)
        elif placement == "joined":
            self.messages.append(message)
        else:
            self.losses.add(path, "sent as a marked user message")
            self.messages.append(as_user_message(message["content"]))

    def finish(self) -> list[_Message]:
        """Ends the last turn and returns all messages."""
        self.end_turn()
        head = [join_system_messages(self._system_head)] if self._system_head else []
        filler = self.quirks.assistant_after_tools
        messages = [*head, *self.messages]
        return _with_assistant_after_tools(messages, filler) if filler else messages

    def join(self, index: int, item: _Item, known: frozenset[str]) -> None:
        """Registers an assistant item: it joins the open turn, or starts the next one."""
        if self._has_output:
            self.end_turn()
        self._is_open = True
        if not known.issuperset(item):
            unknown_fields.report_unknown(item, known, self.hub.item_path(index), self.losses)

    def reasoning(self, index: int) -> TurnReasoning:
        """The reasoning of the open turn, which the item at `index` belongs to."""
        if self._reasoning is None:
            if self._context is None:
                self._context = ReasoningContext.of(self.hub, self.quirks, self._items)
            self._reasoning = TurnReasoning(self.quirks, self._context.echo_at(index))
        return self._reasoning

    def add_call(self, call: dict[str, Any], index: int, *more_ids: Any) -> None:
        """Adds a call to the turn, with its output. `more_ids` are further ids that the output may carry."""
        output = self._pairing.take_output(call["id"], *more_ids)
        if output is None and call in self.calls:
            return  # a repeated call: the first one has the output
        if output is None:
            if self.policy.orphans == "refuse":
                raise self._orphan_error(f"No tool output found for function call {call['id']}.", index)
            self.losses.add(self.hub.item_path(index), "answered here: it has no output")
        self.calls.append(call)
        self._outputs.append(MISSING_OUTPUT if output is None else output)

    def add_answered_call(self, call: dict[str, Any], content: str | list[Any]) -> None:
        """Adds a call that the vendor ran itself; `content` is its result."""
        self.calls.append(call)
        self._outputs.append(content)

    def add_output(self, index: int, item: _Item) -> None:
        """Registers an output. If it has a call, the call has taken it already."""
        if self._pairing.is_orphan(index):
            call_id = self._pairing.call_id(index)
            message = f"No tool call found for function call output with call_id {call_id}."
            if self.policy.orphans == "refuse":
                raise self._orphan_error(message, index)
            self.losses.add(self.hub.item_path(index), "dropped: it answers no call")
            return
        self._has_output = True
        known = OUTPUTS[item["type"]][1]
        if not known.issuperset(item):
            unknown_fields.report_unknown(item, known, self.hub.item_path(index), self.losses)

    def _orphan_error(self, message: str, index: int) -> Exception:
        where = f"It is at '{self.hub.item_path(index)}'."
        return InvalidRequest(f"{message} {where}", param=self.hub.field("input"))

    # -- the end of a turn -----------------------------------------------------------------------------

    def end_turn(self) -> None:
        """Writes the open turn: the assistant message, its outputs, then a message with images and files."""
        if not self._is_open:
            self._has_output = False  # set by an output that came after its turn was written
            return
        message = self._assistant_message()
        attachments: list[dict[str, Any]] = []
        tool_messages: list[_Message] = []
        longest, form = self.quirks.max_call_id, self.quirks.call_id_form
        for call, output in zip(self.calls, self._outputs, strict=True):
            if longest or form:
                call["id"] = fit_call_id(call["id"], longest, form)
            content = output if isinstance(output, str) else self._tool_content(output, call, attachments)
            tool_messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        if message is not None:
            self.messages.append(message)
        self.messages += tool_messages
        if attachments:
            self.messages.append({"role": "user", "content": attachments})
        self._reset()

    def _assistant_message(self) -> _Message | None:
        """The assistant message, or None if it would have no content that the backend accepts."""
        reasoning, refusal = self._reasoning, "".join(self.refusals)
        if not (self.parts or refusal or self.calls or (reasoning and reasoning.is_sent_back(self.calls))):
            return None
        message: _Message = {"role": "assistant"}
        if self.parts:
            message["content"] = simplify_content(self.parts, flatten=self.quirks.flatten_content)
        else:
            message["content"] = None if self.calls or refusal else ""
        if refusal:
            message["refusal"] = refusal
        if self.name is not None:
            message["name"] = self.name
        if reasoning is not None:
            reasoning.write_to(message, self.calls)
        if self.calls:
            if self.quirks.missing_signature:
                add_missing_signature(self.calls, self.quirks.missing_signature)
            message["tool_calls"] = self.calls
        return message

    def _tool_content(self, output: int | list[Any], call: _Call, attachments: list[dict[str, Any]]) -> Any:
        """The text parts of a tool message's content. Images and files go to `attachments`, with a loss."""
        path = ""
        content: Any = output
        if isinstance(output, int):
            item = self._items[output]
            if type(item.get("output")) is str and item["type"] == "function_call_output":
                return item["output"]  # the common case
            path = self.hub.item_path(output)
            content = output_content(item, path, self.tools)
            path = f"{path}.{'content' if self.hub.dialect == 'chat' else 'output'}"
        return content if type(content) is str else self._text_content(content, path, call, attachments)

    def _text_content(self, parts: list[Any], path: str, call: _Call, attachments: list[_Item]) -> Any:
        texts = []
        before = len(attachments)
        for number, part in enumerate(parts):
            where = f"{path}[{number}]"
            converted = write_part(part, where, self.losses, video=self.quirks.video)
            if converted["type"] == "text":
                texts.append(converted)
                continue
            if len(attachments) == before:
                origin = f"From tool {call[call['type']]['name']} (call {call['id']}):"
                attachments.append({"type": "text", "text": origin})
            attachments.append(converted)
            self.losses.add(where, "moved to a user message")
        if not texts:
            return _NO_OUTPUT if len(attachments) > before else ""
        return simplify_content(texts, flatten=self.quirks.flatten_content)


def _with_assistant_after_tools(messages: list[_Message], filler: str) -> list[_Message]:
    """Inserts an assistant message with the text `filler` between a tool message and a user or system one."""
    filled: list[_Message] = []
    for message in messages:
        if filled and filled[-1]["role"] == "tool" and message["role"] not in ("assistant", "tool"):
            filled.append({"role": "assistant", "content": filler})
        filled.append(message)
    return filled
