"""The few keys of a request that decide its way, read without building the rest of it.

A relayed body is never decoded as a whole: histories of a megabyte are common with agents.
"""

from typing import Any, Literal

import msgspec

from chat2response.wire.json import JSONError, decode, decoder

PLAIN_TYPES = (
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
    "custom_tool_call_output", "file_search_call", "web_search_call", "computer_call", "computer_call_output",
    "tool_search_call", "tool_search_output", "additional_tools", "configuration_update", "compaction",
    "compaction_trigger", "image_generation_call", "code_interpreter_call", "local_shell_call",
    "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call",
    "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call",
    "program", "program_output",
)  # fmt: skip
"""The input items that are themselves what they say. One of a type that is not here is looked at closely."""


class ItemPeek(msgspec.Struct, gc=False):
    """An input item: is it a reference, and to what?"""

    type: Any = None
    id: Any = None
    role: Any = None

    @property
    def is_reference(self) -> bool:
        """`item_reference`; the API lets its type be null."""
        return self.type == "item_reference" or (
            self.type is None and self.role is None and self.id is not None
        )


class ChatPeek(msgspec.Struct, gc=False):
    """A Chat request."""

    model: Any = None
    stream: Any = None
    store: Any = None
    n: Any = None


class ResponsesPeek(msgspec.Struct, gc=False):
    """A Responses request."""

    model: Any = None
    stream: Any = None
    store: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    input: list[ItemPeek] | str | None = None


class _PlainItem(msgspec.Struct, gc=False):
    """An item that can be no reference, whichever value of a key counts that is there twice.

    A reader of shapes judges each value that it meets, so that no earlier one of another kind passes.
    """

    type: Literal[PLAIN_TYPES] = ""  # type: ignore[valid-type]
    role: str = ""

    def __post_init__(self) -> None:
        if not self.type and not self.role:
            raise ValueError("a reference without its type")


class StatelessPeek(msgspec.Struct, gc=False):
    """A Responses request in which nothing is named that an upstream keeps: nearly every one."""

    model: Any = None
    stream: Any = None
    store: Any = None
    previous_response_id: None = None
    conversation: None = None
    input: list[_PlainItem] | str | None = None


class AnswerPeek(msgspec.Struct, gc=False):
    """A whole answer of either API."""

    object: Any = None
    usage: Any = None


_read_answer = decoder(AnswerPeek)
_read_chat = decoder(ChatPeek)
_read_responses = decoder(ResponsesPeek)
_read_stateless = decoder(StatelessPeek)


def peek_chat(body: bytes) -> ChatPeek:
    """The keys of a Chat body. Raises JSONError; JSON that is no object raises TypeError."""
    try:
        return _read_chat(body)
    except JSONError:
        fields = _fields(body)
        return ChatPeek(*(fields.get(name) for name in ChatPeek.__struct_fields__))


def peek_responses(body: bytes) -> StatelessPeek | ResponsesPeek:
    """The keys of a Responses body; the first where no value in it, of any key, names what is kept.

    Raises JSONError; JSON that is no object raises TypeError. An `input` of another shape than the API's is
    the upstream's to refuse, or to take: the items in it that are objects are read all the same, for they may
    be references.
    """
    try:
        return _read_stateless(body)
    except JSONError:
        pass
    try:
        return _read_responses(body)
    except JSONError:
        fields = _fields(body)
        given = fields.get("input")
        items = [each for each in given if type(each) is dict] if type(given) is list else []
        fields["input"] = [ItemPeek(*map(each.get, ItemPeek.__struct_fields__)) for each in items]
        return ResponsesPeek(*(fields.get(name) for name in ResponsesPeek.__struct_fields__))


def peek_answer(body: bytes) -> AnswerPeek:
    """The keys of a whole answer; nothing of what is none."""
    try:
        return _read_answer(body)
    except JSONError:
        return AnswerPeek()


def _fields(body: bytes) -> dict[str, Any]:
    value = decode(body)
    if type(value) is not dict:
        raise TypeError("not an object")
    return value
