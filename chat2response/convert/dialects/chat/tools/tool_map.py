"""`ToolMap`: the tools of one request toward a Chat backend, and the way back from their names.

A pure function of the request and the target's quirks. The effective tools are those of `tools`, then those
that the input brings (`additional_tools`, `tool_search_output`); of two with one name the later counts, in
the place of the earlier. Each is bound to the name under which Chat has it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from chat2response.convert.dialects.chat.tools.client_tools import BUILTINS, BuiltinKind, client_runs
from chat2response.convert.dialects.chat.tools.tool_names import begins, sendable, valid
from chat2response.convert.hub import HubRequest
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import (
    require_object,
    require_objects,
    require_string,
    unsupported_field,
)

Kind = Literal["function", "custom"] | BuiltinKind
Key = tuple[str, str, str]
"""A kind, for the built-in ones, of which there is one each; a namespace (empty: none); a name."""

BRINGING = frozenset({"additional_tools", "tool_search_output"})  # input items that bring tools
_CALLED = 64  # characters of what a client calls a tool, that are repeated to it
_NAMED: dict[str, Kind] = {"function": "function", "custom": "custom"}
_BUILTIN: dict[str, BuiltinKind] = {kind: kind for kind in BUILTINS}


class Bound:
    """One effective tool. `path`: where the client wrote it; `about`: its namespace's description."""

    __slots__ = ("about", "kind", "name", "namespace", "path", "sent", "tool")

    def __init__(
        self, kind: Kind, name: str, namespace: str, tool: Mapping[str, Any], path: str, about: str
    ) -> None:
        self.kind = kind
        self.name = name
        self.namespace = namespace
        self.tool = tool
        self.path = path
        self.about = about
        self.sent = ""
        """Its name with the backend."""


class ToolMap:
    """Made by `of`."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks
        self.given = False
        """The client named tools, of whatever kind."""
        self.dropped: dict[str, str] = {}
        """What those that this backend cannot be given are called, by their paths; short, and in ASCII."""
        self.plain = True
        """The backend's calls are the client's as they stand."""
        self.bound: dict[Key, Bound] = {}
        self.by_sent: dict[str, Bound] = {}

    @classmethod
    def of(cls, hub: HubRequest, quirks: Quirks, policy: Policy = DEFAULT_POLICY) -> "ToolMap":
        """That of a request. Raises InvalidRequest with the client's path."""
        made = cls(quirks)
        for tool, path in _brought(hub):
            made._add(tool, path, policy)
        rest = []
        for bound in made.bound.values():
            if _keeps_name(bound, quirks):
                made._name(bound, bound.name)
            else:
                rest.append(bound)
        for bound in rest:
            sent = sendable(bound.namespace, bound.name, made.by_sent, letter=quirks.letter_names)
            made._name(bound, sent)
        return made

    def _name(self, bound: Bound, sent: str) -> None:
        bound.sent = sent
        self.by_sent[sent] = bound
        if bound.kind != "function" or sent != bound.name:
            self.plain = False

    def find(self, namespace: Any, name: str, kind: str = "") -> Bound | None:
        """The effective tool of this name; `kind`: for a built-in one."""
        return self.bound.get((kind, namespace if type(namespace) is str else "", name))

    def sent(self, namespace: Any, name: str, kind: str = "") -> str:
        """The backend's name of a tool, one that this request no longer has included."""
        bound = self.find(namespace, name, kind)
        if bound is not None:
            return bound.sent
        known = namespace if type(namespace) is str else ""
        return sendable(known, name, self.by_sent, letter=self.quirks.letter_names)

    def native(self, bound: Bound) -> bool:
        """Whether it is sent as a custom tool, and called as one."""
        return bound.kind == "custom" and self.quirks.custom_tools

    # -- collecting --------------------------------------------------------------------------------

    def _add(self, tool: Mapping[str, Any], path: str, policy: Policy) -> None:
        self.given = True
        kind = tool.get("type")
        if kind == "namespace":
            namespace = require_string(tool.get("name"), f"{path}.name")
            about = require_string(tool.get("description") or "", f"{path}.description")
            for index, inner in enumerate(require_objects(tool.get("tools"), f"{path}.tools")):
                self._bind(inner, f"{path}.tools[{index}]", policy, namespace, about)
        else:
            self._bind(tool, path, policy)

    def _bind(
        self, tool: Mapping[str, Any], path: str, policy: Policy, namespace: str = "", about: str = ""
    ) -> None:
        given = require_string(tool.get("type"), f"{path}.type")
        kind = _NAMED.get(given)
        if kind is not None:
            name = tool.get("name")
            if type(name) is not str:
                name = require_string(name, f"{path}.name")
            self.bound["", namespace, name] = Bound(kind, name, namespace, tool, path, about)
            return
        builtin = _BUILTIN.get(given)
        if builtin is not None and client_runs(tool, path):
            self.bound[builtin, "", builtin] = Bound(builtin, builtin, "", tool, path, about)
        elif builtin != "tool_search":  # one that the vendor runs finds what is sent here at once
            self._drop(tool, given, path, policy)

    def _drop(self, tool: Mapping[str, Any], kind: str, path: str, policy: Policy) -> None:
        if policy.hosted == "refuse":
            message = f"A tool of type '{kind}' cannot be had of a Chat Completions upstream."
            raise unsupported_field(f"{path}.type", message)
        label = tool.get("server_label")
        named = f"{kind[:_CALLED]} ({label[:_CALLED]})" if type(label) is str else kind[:_CALLED]
        self.dropped[path] = named.encode("ascii", "replace").decode()


def _keeps_name(bound: Bound, quirks: Quirks) -> bool:
    """A name that can be sent is its tool's, whatever a namespace flattens to."""
    if bound.namespace != "" or bound.kind not in _NAMED or not valid(bound.name):
        return False
    return not quirks.letter_names or begins(bound.name)


def _brought(hub: HubRequest) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The tools of the request and of its input, with their paths."""
    for index, tool in enumerate(require_objects(hub.body.get("tools") or [], "tools")):
        yield tool, f"tools[{index}]"
    items: Any = hub.body.get("input")
    if type(items) is not list:
        return
    for index, item in enumerate(items):
        kind = item.get("type") if type(item) is dict else None
        if type(kind) is str and kind in BRINGING:
            path = f"{hub.item_path(index)}.tools"
            for number, tool in enumerate(require_objects(item.get("tools"), path)):
                yield require_object(tool, f"{path}[{number}]"), f"{path}[{number}]"
