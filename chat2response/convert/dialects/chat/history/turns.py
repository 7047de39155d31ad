"""`Turns`: messages out of items, a turn at a time.

Chat wants one assistant message per model turn, and right after it the outputs of its calls, in the order
of the calls. A turn is a run of assistant items; an output, or an item of another role, ends it. So
`call call output output` is one turn, `call output call output` are two, and a user's item that stands
between a call and its output comes after the output. What the items say is in `history/`.
"""

from typing import Any

from chat2response.convert import unknown_fields
from chat2response.convert.dialects.chat.history.call_ids import fitted
from chat2response.convert.dialects.chat.history.call_pairing import UNANSWERED, Pairs
from chat2response.convert.dialects.chat.history.reasoning import Thoughts, sign
from chat2response.convert.dialects.chat.history.reasoning_context import Context
from chat2response.convert.dialects.chat.history.system_messages import joined, marked
from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS, content_of
from chat2response.convert.dialects.chat.request.content_parts import lone_text, write_part
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy
from chat2response.errors import InvalidRequest

_Item = dict[str, Any]
_Message = dict[str, Any]

_NO_OUTPUT = "The output follows in the next message."


class Turns:
    """Collects the assistant's turn that is open, and writes it once it is over."""

    __slots__ = (
        "_answered", "_answers", "_context", "_head", "_items", "_open", "_pairs", "_thoughts", "calls",
        "hub", "losses", "messages", "name", "parts", "policy", "quirks", "refusals", "tools",
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
        self._context: Context | None = None
        self._head: list[_Message] = []  # system messages that nothing else came before, to be joined
        self._pairs = Pairs(items, hub)
        self._start()

    def _start(self) -> None:
        self._open = False
        self._answered = False  # an output of the open turn was met: the next assistant item is a new turn
        self._thoughts: Thoughts | None = None
        self.parts: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.name: str | None = None
        self.calls: list[dict[str, Any]] = []
        self._answers: list[int | str | list[Any]] = []  # the index of the output, or what it says

    # -- what items say ------------------------------------------------------------------------------

    def path(self, index: int) -> str:
        """The client's path of an item."""
        return self.hub.item_path(index)

    def message(self, message: _Message) -> None:
        """One of another role than the assistant's: it ends the open turn."""
        self.end()
        self.messages.append(message)

    def system(self, message: _Message, path: str) -> None:
        """A system message, placed as the backend wants it."""
        self.end()
        placement = self.quirks.system_placement
        if placement == "in_place":
            self.messages.append(message)
        elif not self.messages:
            if self._head and "name" in message:
                self.losses.add(f"{path}.name", "dropped: joined with the message before it")
            self._head.append(message)
        elif placement == "joined":
            self.messages.append(message)
        else:
            self.losses.add(path, "sent as a marked text of the user's")
            self.messages.append(marked(message["content"]))

    def written(self) -> list[_Message]:
        """All messages, once everything is said."""
        self.end()
        messages = [joined(self._head), *self.messages] if self._head else self.messages
        said = self.quirks.assistant_after_tools
        return _answered(messages, said) if said else messages

    def join(self, index: int, item: _Item, known: frozenset[str]) -> None:
        """Every assistant item comes through here: it joins the open turn, or starts the next one."""
        if self._answered:
            self.end()
        self._open = True
        if not known.issuperset(item):
            unknown_fields.report_unknown(item, known, self.hub.item_path(index), self.losses)

    def thoughts(self, index: int) -> Thoughts:
        """The reasoning of the open turn; the item at `index` is of it."""
        if self._thoughts is None:
            if self._context is None:
                self._context = Context.of(self.hub, self.quirks, self._items)
            self._thoughts = Thoughts(self.quirks, self._context.echo_at(index))
        return self._thoughts

    def call(self, call: dict[str, Any], index: int, *more_ids: Any) -> None:
        """A call joins the turn, with its output; `more_ids`: others that the output may name."""
        output = self._pairs.answer(call["id"], *more_ids)
        if output is None and call in self.calls:
            return  # the same call once more: the first has the output
        if output is None:
            if self.policy.orphans == "refuse":
                raise self._orphan(f"No tool output found for function call {call['id']}.", index)
            self.losses.add(self.hub.item_path(index), "answered here: it has no output")
        self.calls.append(call)
        self._answers.append(UNANSWERED if output is None else output)

    def call_with(self, call: dict[str, Any], content: str | list[Any]) -> None:
        """A call that its vendor ran joins the turn; `content`: what came of it."""
        self.calls.append(call)
        self._answers.append(content)

    def output(self, index: int, item: _Item) -> None:
        """An output was met, which its call has taken already."""
        if self._pairs.orphan(index):
            call_id = self._pairs.call_id(index)
            message = f"No tool call found for function call output with call_id {call_id}."
            if self.policy.orphans == "refuse":
                raise self._orphan(message, index)
            self.losses.add(self.hub.item_path(index), "dropped: it answers no call")
            return
        self._answered = True
        known = OUTPUTS[item["type"]][1]
        if not known.issuperset(item):
            unknown_fields.report_unknown(item, known, self.hub.item_path(index), self.losses)

    def _orphan(self, message: str, index: int) -> Exception:
        where = f"It stands at '{self.hub.item_path(index)}'."
        return InvalidRequest(f"{message} {where}", param=self.hub.field("input"))

    # -- the end of a turn -----------------------------------------------------------------------------

    def end(self) -> None:
        """Writes the open turn: the assistant's message, its outputs, then what outputs cannot carry."""
        if not self._open:
            self._answered = False  # by an output that had followed its call already
            return
        message = self._spoken()
        shown: list[dict[str, Any]] = []
        answers: list[_Message] = []
        longest, form = self.quirks.max_call_id, self.quirks.call_id_form
        for call, answer in zip(self.calls, self._answers, strict=True):
            if longest or form:
                call["id"] = fitted(call["id"], longest, form)
            content = answer if isinstance(answer, str) else self._result(answer, call, shown)
            answers.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        if message is not None:
            self.messages.append(message)
        self.messages += answers
        if shown:
            self.messages.append({"role": "user", "content": shown})
        self._start()

    def _spoken(self) -> _Message | None:
        """The assistant's message; None when nothing is in it that this backend takes."""
        thoughts, refusal = self._thoughts, "".join(self.refusals)
        if not (self.parts or refusal or self.calls or (thoughts and thoughts.due(self.calls))):
            return None
        message: _Message = {"role": "assistant"}
        if self.parts:
            message["content"] = lone_text(self.parts, flatten=self.quirks.flatten_content)
        else:
            message["content"] = None if self.calls or refusal else ""
        if refusal:
            message["refusal"] = refusal
        if self.name is not None:
            message["name"] = self.name
        if thoughts is not None:
            thoughts.put(message, self.calls)
        if self.calls:
            if self.quirks.missing_signature:
                sign(self.calls, self.quirks.missing_signature)
            message["tool_calls"] = self.calls
        return message

    def _result(self, answer: int | list[Any], call: dict[str, Any], shown: list[dict[str, Any]]) -> Any:
        """A tool message's content: the text parts. Images and files go to `shown`, with a loss."""
        path = ""
        content: Any = answer
        if isinstance(answer, int):
            item = self._items[answer]
            if type(item.get("output")) is str and item["type"] == "function_call_output":
                return item["output"]  # nearly every one
            path = self.hub.item_path(answer)
            content = content_of(item, path, self.tools)
            path = f"{path}.{'content' if self.hub.dialect == 'chat' else 'output'}"
        return content if type(content) is str else self._parts(content, path, call, shown)

    def _parts(self, parts: list[Any], path: str, call: dict[str, Any], shown: list[dict[str, Any]]) -> Any:
        texts = []
        before = len(shown)
        for number, part in enumerate(parts):
            where = f"{path}[{number}]"
            made = write_part(part, where, self.losses, video=self.quirks.video)
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


def _answered(messages: list[_Message], said: str) -> list[_Message]:
    """With an assistant's message wherever another one than a tool's follows a tool's."""
    made: list[_Message] = []
    for message in messages:
        if made and made[-1]["role"] == "tool" and message["role"] not in ("assistant", "tool"):
            made.append({"role": "assistant", "content": said})
        made.append(message)
    return made
