"""Maps the tools of a request to their names at a Chat backend, and back.

A `ToolMap` depends only on the request and the target's quirks. It collects the tools of `tools`, then those
of input items (`additional_tools`, `tool_search_output`). A later tool replaces an earlier one of the same
name, and takes its position.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from chat2response.convert.dialects.chat.tools.client_tools import CLIENT_TOOLS, ClientToolKind, is_client_run
from chat2response.convert.dialects.chat.tools.tool_names import (
    is_valid_name,
    sendable_name,
    starts_with_letter,
)
from chat2response.convert.hub import HubRequest
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import (
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)

Kind = Literal["function", "custom"] | ClientToolKind
Key = tuple[str, str, str]
"""(kind, namespace, name). The kind is empty for functions and custom tools; the namespace may be empty."""

TOOL_BRINGING_ITEMS = frozenset({"additional_tools", "tool_search_output"})  # input items that hold tools
_MAX_LABEL = 64  # characters of the client's own names that a loss repeats
_NAMED_KINDS: dict[str, Kind] = {"function": "function", "custom": "custom"}
_CLIENT_TOOL_KINDS: dict[str, ClientToolKind] = {kind: kind for kind in CLIENT_TOOLS}


class MappedTool:
    """One tool of a request. `path` is where the client wrote it, `description` is that of its namespace."""

    __slots__ = ("kind", "name", "namespace", "namespace_description", "path", "sent_name", "tool")

    def __init__(
        self, kind: Kind, name: str, namespace: str, tool: Mapping[str, Any], path: str, description: str
    ) -> None:
        self.kind = kind
        self.name = name
        self.namespace = namespace
        self.tool = tool
        self.path = path
        self.namespace_description = description
        self.sent_name = ""
        """The tool's name at the backend."""


class ToolMap:
    """The tools of one request. Use `ToolMap.of`."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks
        self.has_tools = False
        """Whether the client sent tools of any kind."""
        self.dropped_tools: dict[str, str] = {}
        """The tools that the backend cannot have: path to label (ASCII, short)."""
        self.plain = True
        """Whether the backend's calls need no conversion."""
        self.by_key: dict[Key, MappedTool] = {}
        self.by_sent_name: dict[str, MappedTool] = {}

    @classmethod
    def of(cls, hub: HubRequest, quirks: Quirks, policy: Policy = DEFAULT_POLICY) -> "ToolMap":
        """Maps the tools of a request. Raises InvalidRequest with the client's path."""
        tool_map = cls(quirks)
        for tool, path in _collect_tools(hub):
            tool_map._add(tool, path, policy)
        renamed = []
        for mapped in tool_map.by_key.values():
            if _keeps_name(mapped, quirks):
                tool_map._assign_name(mapped, mapped.name)
            else:
                renamed.append(mapped)
        for mapped in renamed:
            taken = tool_map.by_sent_name
            name = sendable_name(mapped.namespace, mapped.name, taken, letter=quirks.letter_names)
            tool_map._assign_name(mapped, name)
        return tool_map

    def _assign_name(self, mapped: MappedTool, sent_name: str) -> None:
        mapped.sent_name = sent_name
        self.by_sent_name[sent_name] = mapped
        if mapped.kind != "function" or sent_name != mapped.name:
            self.plain = False

    def find(self, namespace: Any, name: str, kind: str = "") -> MappedTool | None:
        """The tool of this name, or None. `kind` is for client-run tools such as `shell`."""
        return self.by_key.get((kind, namespace if type(namespace) is str else "", name))

    def sent_name(self, namespace: Any, name: str, kind: str = "") -> str:
        """The backend's name of a tool. Works also for tools that the request no longer has."""
        mapped = self.find(namespace, name, kind)
        if mapped is not None:
            return mapped.sent_name
        known = namespace if type(namespace) is str else ""
        return sendable_name(known, name, self.by_sent_name, letter=self.quirks.letter_names)

    def is_native(self, mapped: MappedTool) -> bool:
        """Whether the tool is sent, and called, as a custom tool."""
        return mapped.kind == "custom" and self.quirks.custom_tools

    # -- collecting --------------------------------------------------------------------------------

    def _add(self, tool: Mapping[str, Any], path: str, policy: Policy) -> None:
        self.has_tools = True
        kind = tool.get("type")
        if kind == "namespace":
            namespace = require_string(tool.get("name"), f"{path}.name")
            description = require_string(tool.get("description") or "", f"{path}.description")
            for index, inner in enumerate(require_objects(tool.get("tools"), f"{path}.tools")):
                self._add_tool(inner, f"{path}.tools[{index}]", policy, namespace, description)
        else:
            self._add_tool(tool, path, policy)

    def _add_tool(
        self, tool: Mapping[str, Any], path: str, policy: Policy, namespace: str = "", description: str = ""
    ) -> None:
        tool_type = require_string(tool.get("type"), f"{path}.type")
        kind = _NAMED_KINDS.get(tool_type)
        if kind is not None:
            name = tool.get("name")
            if type(name) is not str:
                name = require_string(name, f"{path}.name")
            self.by_key["", namespace, name] = MappedTool(kind, name, namespace, tool, path, description)
            return
        client_kind = _CLIENT_TOOL_KINDS.get(tool_type)
        if client_kind is not None and is_client_run(tool, path):
            mapped = MappedTool(client_kind, client_kind, "", tool, path, description)
            self.by_key[client_kind, "", client_kind] = mapped
        elif client_kind != "tool_search":  # a hosted search is not needed: all its tools are sent at once
            self._drop(tool, tool_type, path, policy)

    def _drop(self, tool: Mapping[str, Any], kind: str, path: str, policy: Policy) -> None:
        if policy.hosted == "refuse":
            message = f"A Chat Completions upstream does not support tools of type '{kind}'."
            raise unsupported_field(f"{path}.type", message)
        server = tool.get("server_label")
        label = f"{kind[:_MAX_LABEL]} ({server[:_MAX_LABEL]})" if type(server) is str else kind[:_MAX_LABEL]
        self.dropped_tools[path] = label.encode("ascii", "replace").decode()


def _keeps_name(mapped: MappedTool, quirks: Quirks) -> bool:
    """Whether the tool keeps its own name. Such names are assigned before those that must change."""
    if mapped.namespace != "" or mapped.kind not in _NAMED_KINDS or not is_valid_name(mapped.name):
        return False
    return not quirks.letter_names or starts_with_letter(mapped.name)


def _collect_tools(hub: HubRequest) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yields the tools of the request and of its input items, with their paths."""
    for index, tool in enumerate(require_objects(hub.body.get("tools") or [], "tools")):
        yield tool, f"tools[{index}]"
    if not hub.item_kinds() & TOOL_BRINGING_ITEMS:
        return
    items: Any = hub.body.get("input")
    for index, item in enumerate(items):
        kind = item.get("type") if type(item) is dict else None
        if type(kind) is str and kind in TOOL_BRINGING_ITEMS:
            path = f"{hub.item_path(index)}.tools"
            for number, tool in enumerate(require_objects(item.get("tools"), path)):
                yield require_object(tool, f"{path}[{number}]"), f"{path}[{number}]"
