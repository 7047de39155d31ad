"""Responses requests that name nothing an upstream keeps, or by the ids of whole items only: nearly all.

Their ids are found while the body is checked, in one pass that builds next to nothing. A reader of shapes
judges each value that it meets, so a key that comes twice hides nothing: a request in which any value could
name more is not plain, and of an id that comes twice both are told.
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


def _known(names: str) -> type[msgspec.Struct]:
    """A base whose keys are known, and decide nothing here. With any other, a request is no plain one: to a
    server that folds case, `Id` is `id`."""
    return msgspec.defstruct("Known", [(name, Raw, _NONE) for name in names.split()], gc=False)


if TYPE_CHECKING:
    _ItemRest = msgspec.Struct
    _ToolRest = msgspec.Struct
    _RequestRest = msgspec.Struct
else:
    _ItemRest = _known(
        "acknowledged_safety_checks async background call_id caller execution fingerprint "
        "max_output_length namespace output_format pending_safety_checks phase quality reason "
        "reasoning revised_prompt server_label size svg_usage text"
    )
    _ToolRest = _known(
        "action allowed_callers allowed_tools async authorization background complexity "
        "connector_id defer_loading description display_height display_width execution "
        "external_web_access filters format frame_count frame_duration_ms function headers "
        "input_fidelity input_image_mask max_num_results model moderation name output_compression "
        "output_format output_schema parameters partial_images quality ranking_options "
        "require_approval search_content_types search_context_size server_description server_label "
        "server_url size strict svg tunnel_id type user_location vector_store_ids"
    )
    _RequestRest = _known(
        "access_programs background client_metadata context_management generate image include "
        "instructions max_output_tokens max_tool_calls metadata moderation parallel_tool_calls "
        "prompt prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier "
        "stream_options temperature text tool_choice top_logprobs top_p truncation user"
    )


class _Container(msgspec.Struct, gc=False):
    """A container that the upstream makes, or finds among the items."""

    type: Literal["auto"]
    id: None = None
    container_id: None = None


class _Environment(msgspec.Struct, gc=False):
    container_id: None = None


class _Tool(_ToolRest, gc=False, forbid_unknown_fields=True):
    container: _Container | None = None
    environment: _Environment | str | None = None
    tools: list["_Tool"] | None = None


class _Item(_ItemRest, gc=False, forbid_unknown_fields=True):
    """An input item that is itself what it says, whichever value of a key counts that is there twice."""

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
            if name == "tools" or len(memoryview(value)) > _SHORT or _says_something(name, value):
                return
        if payload:
            raise ValueError("an item without its payload")


class _CacheOptions(msgspec.Struct, gc=False):
    comparison_response_id: None = None


class _Request(_RequestRest, gc=False, forbid_unknown_fields=True):
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
