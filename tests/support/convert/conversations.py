"""Generates conversations, each in the form of both APIs, canonical and loose.

A round trip returns the canonical form:

Chat        a single text is a string; an image has its detail; one assistant message per turn, `content`
            null without text; tool messages right after it, in the order of the calls.
Responses   messages have a type and no id; a single user text is a string; an assistant's texts are
            `output_text`, then its refusal; the calls of a turn, then their outputs in the same order.

The loose form has the same content with arrays for strings, no type, ids and null keys, a turn in two
messages, outputs in another order, or after the next user message.
"""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One part of a user message: a text, an image, or a file."""

    kind: str
    value: str

    def chat(self) -> Json:
        if self.kind == "text":
            return {"type": "text", "text": self.value}
        if self.kind == "image":
            return {"type": "image_url", "image_url": {"url": self.value, "detail": "auto"}}
        return {"type": "file", "file": {"file_data": self.value, "filename": "a"}}

    def item(self) -> Json:
        if self.kind == "text":
            return {"type": "input_text", "text": self.value}
        if self.kind == "image":
            return {"type": "input_image", "image_url": self.value, "detail": "auto"}
        return {"type": "input_file", "file_data": self.value, "filename": "a"}


@dataclass(frozen=True)
class Ask:
    """A user or developer message."""

    role: str
    parts: tuple[Part, ...]

    def lone(self) -> str | None:
        return self.parts[0].value if len(self.parts) == 1 and self.parts[0].kind == "text" else None


@dataclass(frozen=True)
class Call:
    """A call and its outputs."""

    name: str
    arguments: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """A model turn; it is never empty."""

    texts: tuple[str, ...]
    refusal: str
    calls: tuple[Call, ...]


Turn = list[Ask | Answer]
"""Messages, then the model turns that answer them. All but the last one have calls."""

_words = st.text(min_size=1, max_size=6)
_part = st.builds(Part, st.sampled_from(["text", "text", "image", "file"]), _words)
_written = st.builds(Part, st.just("text"), _words)
_ask = st.one_of(
    st.builds(Ask, st.just("user"), st.lists(_part, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Ask,
        st.sampled_from(["system", "developer"]),
        st.lists(_written, min_size=1, max_size=2).map(tuple),
    ),
)
_call = st.builds(
    Call,
    st.sampled_from(["f", "g"]),
    st.sampled_from(["{}", '{"a": 1}']),
    st.lists(_words, min_size=1, max_size=2).map(tuple),
)
_texts = st.lists(_words, max_size=2).map(tuple)
_refusal = st.sampled_from(["", "", "no"])
_working = st.builds(Answer, _texts, _refusal, st.lists(_call, min_size=1, max_size=3).map(tuple))
_final = st.builds(Answer, st.lists(_words, min_size=1, max_size=2).map(tuple), _refusal, st.just(()))
_turn = st.builds(
    lambda asks, working, final: [*asks, *working, final],
    st.lists(_ask, min_size=1, max_size=2),
    st.lists(_working, max_size=2),
    st.one_of(_working, _final),
)
conversations = st.lists(_turn, min_size=1, max_size=4)


def chat_form(turns: list[Turn], *, loose: bool = False) -> list[Json]:
    """The Chat messages of a conversation."""
    messages: list[Json] = []
    for number, step in enumerate(step for turn in turns for step in turn):
        if isinstance(step, Ask):
            content = step.lone() if not loose else None
            parts = [_loosen(part.chat(), loose) for part in step.parts]
            messages.append({"role": step.role, "content": parts if content is None else content})
        else:
            messages += _chat_answer(step, number, loose)
    return messages


def _loosen(part: Json, loose: bool) -> Json:
    """The loose form of a Chat image has no detail."""
    if loose and part["type"] == "image_url":
        return {"type": "image_url", "image_url": {"url": part["image_url"]["url"]}}
    return part


def _chat_answer(answer: Answer, number: int, loose: bool) -> list[Json]:
    texts: Any = [{"type": "text", "text": text} for text in answer.texts] or None
    if texts and len(texts) == 1 and not loose:
        texts = texts[0]["text"]
    calls = [
        {"id": f"c{number}.{index}", "type": "function", "function": _function(call)}
        for index, call in enumerate(answer.calls)
    ]
    message: Json = {"role": "assistant", "content": texts}
    if answer.refusal:
        message["refusal"] = answer.refusal
    if not loose:
        return [{**message, "tool_calls": calls} if calls else message, *_chat_outputs(answer, number)]
    messages = [{**message, "annotations": [], "audio": None, "tool_calls": None}]
    if calls:
        messages.append({"role": "assistant", "content": "", "tool_calls": calls, "refusal": None})
    return [*messages, *reversed(_chat_outputs(answer, number))]


def _function(call: Call) -> Json:
    return {"name": call.name, "arguments": call.arguments}


def _chat_outputs(answer: Answer, number: int) -> list[Json]:
    outputs = []
    for index, call in enumerate(answer.calls):
        content: Any = [{"type": "text", "text": text} for text in call.output]
        if len(call.output) == 1:
            content = call.output[0]
        outputs.append({"role": "tool", "tool_call_id": f"c{number}.{index}", "content": content})
    return outputs


def items_form(turns: list[Turn], *, loose: bool = False) -> list[Json]:
    """The Responses items of a conversation."""
    items: list[Json] = []
    late: list[Json] = []  # loose: outputs that follow the next message
    for number, step in enumerate(step for turn in turns for step in turn):
        if isinstance(step, Ask):
            items += [_item_ask(step, loose), *late]
            late = []
            continue
        items += [*late, *_item_answer(step, number, loose)]
        late = _item_outputs(step, number)
        if loose:
            late.reverse()
        else:
            items += late
            late = []
    return items + late


def _item_ask(ask: Ask, loose: bool) -> Json:
    parts = [part.item() for part in ask.parts]
    content = ask.lone() if not loose else None
    item = {"role": ask.role, "content": parts if content is None else content}
    return item if loose else {"type": "message", **item}


def _item_answer(answer: Answer, number: int, loose: bool) -> list[Json]:
    extra: Json = {"id": f"msg_{number}", "status": "completed"} if loose else {}
    parts: list[Json] = [{"type": "output_text", "text": text, "annotations": []} for text in answer.texts]
    if answer.refusal:
        parts.append({"type": "refusal", "refusal": answer.refusal})
    items: list[Json] = []
    if parts:
        items.append({"type": "message", "role": "assistant", "content": parts, **extra})
    for index, call in enumerate(answer.calls):
        head = {"type": "function_call", "call_id": f"c{number}.{index}"}
        items.append({**head, **_function(call), **extra})
    return items


def _item_outputs(answer: Answer, number: int) -> list[Json]:
    outputs = []
    for index, call in enumerate(answer.calls):
        output: Any = [{"type": "input_text", "text": text} for text in call.output]
        if len(call.output) == 1:
            output = call.output[0]
        outputs.append({"type": "function_call_output", "call_id": f"c{number}.{index}", "output": output})
    return outputs
