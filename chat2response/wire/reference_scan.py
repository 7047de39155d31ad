"""Recognizes plain Responses requests: those that refer to nothing stored upstream, except by the ids of
items that they contain whole. Nearly all requests are plain.

One pass checks the body and collects the ids, and allocates almost nothing. The shapes check every value they
meet, so a duplicate key hides nothing: a request in which any value could refer to more is not plain, and
both values of a duplicate id are collected.
"""

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chat2response.wire.json import JSONError, Raw, decoder

ITEM_PAYLOADS: dict[str, tuple[str, ...]] = {
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
"""The payload keys of each type of input item; one of them is enough. The upstream looks up an item that has
an id but no payload. Types without payload keys refer to nothing that is stored."""

MAY_BE_EMPTY = frozenset({"content", "output", "input", "arguments", "code", "tools", "queries"})
"""Payload keys that may be empty: a message without text, a command without output."""


class _Id:
    """A placeholder for an id; the collector has its text."""

    __slots__ = ()


_SOME_ID, _EMPTY_ID = _Id(), _Id()


class _Collector:
    """Collects every id of a read. Reads are synchronous, so they can share one list."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def hook(self, kind: type[Any], value: Any) -> Any:
        """Collects an id; msgspec calls this for each one."""
        if type(value) is not str:
            raise ValueError("an id is a string")
        if not value:
            return _EMPTY_ID
        self._ids.append(value)
        return _SOME_ID

    def take(self) -> list[str]:
        """The ids of the last read."""
        ids, self._ids = self._ids, []
        return ids


_NONE = Raw(b"")
_WITHOUT_CONTENT = (b"", b"null", b'""', b"[]", b"{}")
_EMPTY = (b"", b"null")
_SHORT = 8  # bytes; a value without content is no longer, except for unusual spacing


def _known(names: str) -> type[msgspec.Struct]:
    """A base with known keys that do not matter here. A request with any other key is not plain: to a server
    that ignores case, `Id` is `id`."""
    return msgspec.defstruct("Known", [(name, Raw, _NONE) for name in names.split()], gc=False)


if TYPE_CHECKING:
    _OtherItemKeys = msgspec.Struct
    _OtherToolKeys = msgspec.Struct
    _OtherRequestKeys = msgspec.Struct
else:
    _OtherItemKeys = _known(
        "acknowledged_safety_checks async background call_id caller execution fingerprint "
        "max_output_length namespace output_format pending_safety_checks phase quality reason "
        "reasoning revised_prompt server_label size svg_usage text"
    )
    _OtherToolKeys = _known(
        "action allowed_callers allowed_tools async authorization background complexity "
        "connector_id defer_loading description display_height display_width execution "
        "external_web_access filters format frame_count frame_duration_ms function headers "
        "input_fidelity input_image_mask max_num_results model moderation name output_compression "
        "output_format output_schema parameters partial_images quality ranking_options "
        "require_approval search_content_types search_context_size server_description server_label "
        "server_url size strict svg tunnel_id type user_location vector_store_ids"
    )
    _OtherRequestKeys = _known(
        "access_programs background client_metadata context_management generate image include "
        "instructions max_output_tokens max_tool_calls metadata moderation parallel_tool_calls "
        "prompt prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier "
        "stream_options temperature text tool_choice top_logprobs top_p truncation user"
    )


class _Container(msgspec.Struct, gc=False):
    """A container that the upstream creates, or finds among the items."""

    type: Literal["auto"]
    id: None = None
    container_id: None = None


class _Environment(msgspec.Struct, gc=False):
    container_id: None = None


class _Tool(_OtherToolKeys, gc=False, forbid_unknown_fields=True):
    container: _Container | None = None
    environment: _Environment | str | None = None
    tools: list["_Tool"] | None = None


class _Item(_OtherItemKeys, gc=False, forbid_unknown_fields=True):
    """An input item with its payload, whichever value of a duplicate key is used."""

    type: Literal[tuple(ITEM_PAYLOADS)] = ""  # type: ignore[valid-type]
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
        payload = ITEM_PAYLOADS[self.type or "message"]
        for name in payload:
            value = getattr(self, name)
            if value is _NONE or value is None:
                continue
            if name == "tools" or len(memoryview(value)) > _SHORT or _has_content(name, value):
                return
        if payload:
            raise ValueError("an item without its payload")


class _CacheOptions(msgspec.Struct, gc=False):
    comparison_response_id: None = None


class _Request(_OtherRequestKeys, gc=False, forbid_unknown_fields=True):
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


def read_plain_request(body: bytes) -> tuple[Any, Any, Any, list[str]] | None:
    """`model`, `stream`, `store` and the ids of the items; None if the request is not plain."""
    try:
        request = _read(body)
    except JSONError:
        return None
    finally:
        ids = _collector.take()
    return request.model, request.stream, request.store, ids


def _has_content(name: str, value: Raw) -> bool:
    return b"".join(bytes(value).split()) not in (_EMPTY if name in MAY_BE_EMPTY else _WITHOUT_CONTENT)
