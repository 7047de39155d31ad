"""Responses requests that name nothing an upstream keeps, or by the ids of whole items only: nearly all.

Their ids are found while the body is checked, in one pass that builds next to nothing. A reader of shapes
judges each value that it meets, so a key that comes twice hides nothing: a request in which any value could
name more is not plain, and of an id that comes twice both are told.
"""

from typing import Any, Literal

import msgspec

from chat2response.wire.json import JSONError, Raw, decoder

PAYLOADS: dict[str, tuple[str, ...]] = {
    "message": ("content",),
    "reasoning": ("encrypted_content", "content", "summary"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("output",),
    "custom_tool_call": ("name", "input"),
    "custom_tool_call_output": ("output",),
    "file_search_call": ("queries", "results"),
    "web_search_call": ("action",),
    "computer_call": ("action", "actions"),
    "computer_call_output": ("output",),
    "tool_search_call": ("arguments",),
    "tool_search_output": ("tools",),
    "additional_tools": ("tools",),
    "configuration_update": (),
    "compaction": ("encrypted_content",),
    "compaction_trigger": (),
    "image_generation_call": ("result",),
    "code_interpreter_call": ("code", "outputs"),
    "local_shell_call": ("action",),
    "local_shell_call_output": ("output",),
    "shell_call": ("action",),
    "shell_call_output": ("output",),
    "apply_patch_call": ("operation",),
    "apply_patch_call_output": ("output", "status"),
    "mcp_list_tools": ("tools", "error"),
    "mcp_approval_request": ("name", "arguments"),
    "mcp_approval_response": ("approve",),
    "mcp_call": ("name", "arguments"),
    "program": ("code",),
    "program_output": ("result",),
}
"""Where an input item of each type has what it says; one of these keys is enough. An item that has an id and
nothing of its payload is looked up by the upstream. The types without a payload name nothing that is kept."""

MAY_BE_EMPTY = frozenset({"content", "output", "input", "arguments", "code", "tools", "queries"})
"""Payloads that say something even where they are empty: a message or a command without output."""


class _Id:
    """In the place of an id, whose text the collector has."""

    __slots__ = ()


_SOME_ID, _EMPTY_ID = _Id(), _Id()


class _Collector:
    """Notes every id that a read meets. Reads are synchronous, so one list serves one after another."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def hook(self, kind: type[Any], value: Any) -> Any:
        """A value where an id belongs."""
        if type(value) is not str:
            raise ValueError("an id is a string")
        if not value:
            return _EMPTY_ID
        self._ids.append(value)
        return _SOME_ID

    def take(self) -> list[str]:
        """The ids of the read that is over."""
        ids, self._ids = self._ids, []
        return ids


_NONE = Raw(b"")
_HOLLOW = (b"", b"null", b'""', b"[]", b"{}")
_EMPTY = (b"", b"null")
_SHORT = 8  # bytes; nothing hollow is longer, but for odd spacing


class _Container(msgspec.Struct, gc=False):
    """A container that the upstream makes, or finds among the items."""

    type: Literal["auto"]
    id: None = None
    container_id: None = None


class _Environment(msgspec.Struct, gc=False):
    container_id: None = None


class _Tool(msgspec.Struct, gc=False):
    container: _Container | None = None
    environment: _Environment | str | None = None
    tools: list["_Tool"] | None = None


class _Item(msgspec.Struct, gc=False):
    """An input item that is itself what it says, whichever value of a key counts that is there twice."""

    type: Literal[tuple(PAYLOADS)] = ""  # type: ignore[valid-type]
    role: str = ""
    id: _Id | None = None
    container_id: None = None
    environment: _Environment | None = None
    approval_request_id: None = None
    content: Raw = _NONE
    summary: Raw = _NONE
    encrypted_content: Raw = _NONE
    name: Raw = _NONE
    arguments: Raw = _NONE
    output: Raw = _NONE
    input: Raw = _NONE
    queries: Raw = _NONE
    results: Raw = _NONE
    action: Raw = _NONE
    actions: Raw = _NONE
    tools: list[_Tool] | None = None
    result: Raw = _NONE
    code: Raw = _NONE
    outputs: Raw = _NONE
    operation: Raw = _NONE
    status: Raw = _NONE
    error: Raw = _NONE
    approve: Raw = _NONE

    def __post_init__(self) -> None:
        if not self.type and not self.role:
            raise ValueError("an item without its type")
        if self.id is not _SOME_ID:
            return
        payload = PAYLOADS[self.type or "message"]
        for name in payload:
            value = getattr(self, name)
            if value is _NONE or value is None:
                continue
            if name == "tools" or len(memoryview(value)) > _SHORT or _says_something(name, value):
                return
        if payload:
            raise ValueError("an item without its payload")


class _CacheOptions(msgspec.Struct, gc=False):
    comparison_response_id: None = None


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    stream: Any = None
    store: Any = None
    previous_response_id: None = None
    conversation: None = None
    input: list[_Item] | str | None = None
    tools: list[_Tool] | None = None
    prompt_cache_options: _CacheOptions | None = None


_collector = _Collector()
_read = decoder(_Request, _collector.hook)


def read_plain(body: bytes) -> tuple[Any, Any, Any, list[str]] | None:
    """`model`, `stream`, `store` and the ids of the items; None where the body is none of these."""
    try:
        request = _read(body)
    except JSONError:
        return None
    finally:
        ids = _collector.take()
    return request.model, request.stream, request.store, ids


def _says_something(name: str, value: Raw) -> bool:
    return b"".join(bytes(value).split()) not in (_EMPTY if name in MAY_BE_EMPTY else _HOLLOW)
