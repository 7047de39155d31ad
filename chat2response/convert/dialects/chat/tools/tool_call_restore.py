"""Writer wrappers that turn the calls of a Chat backend back into calls of the client's tools.

    reader > CallNameBuffer > AllowedToolsFilter > ClientToolRestorer > CustomToolRestorer > NamespaceRestorer
           > writer

`restore_tool_calls` adds the wrappers that the tools of a request need.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from chat2response.convert.dialects.chat.tools.client_tools import CLIENT_TOOLS, ClientToolKind, read_call
from chat2response.convert.dialects.chat.tools.custom_tool_input import CustomToolInputDecoder
from chat2response.convert.dialects.chat.tools.tool_map import MappedTool, ToolMap
from chat2response.convert.loose_values import short_name
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.writer.call_builder import CallBuilder
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import Wrapper
from chat2response.errors import UpstreamError
from chat2response.wire.responses import ItemStatus, Usage
from chat2response.wire.values import replace

_LENIENT_TOOL = "apply_patch"  # models are trained on this tool and write its input in several forms


def restore_tool_calls(writer: Writer, tools: ToolMap, allowed: frozenset[str] | None = None) -> Writer:
    """Wraps `writer` so that its reader may use the backend's tool names.

    `allowed` holds the backend's names of the only tools that may be called; None allows all.
    """
    if not tools.plain:
        writer = _add_restorers(writer, tools)
    if allowed is not None:
        writer = AllowedToolsFilter(writer, allowed)
    elif tools.plain:
        return writer
    return CallNameBuffer(writer)


def _add_restorers(writer: Writer, tools: ToolMap) -> Writer:
    renamed_tools = {name: tool for name, tool in tools.by_sent_name.items() if tool.name != name}
    custom_tools = {name: tool for name, tool in tools.by_sent_name.items() if tool.kind == "custom"}
    if renamed_tools:
        writer = NamespaceRestorer(writer, renamed_tools)
    if custom_tools:
        writer = CustomToolRestorer(writer, custom_tools)
    client_kinds = {name: tool.kind for name, tool in tools.by_sent_name.items() if tool.kind in CLIENT_TOOLS}
    if client_kinds:
        writer = ClientToolRestorer(writer, client_kinds)
    return writer


class CallNameBuffer(Wrapper):
    """Buffers a call until its name is complete: until its first argument text, or other output."""

    def __init__(self, inner: Writer) -> None:
        super().__init__(inner)
        self._waiting: dict[Hashable, CallBuilder] = {}
        self._named: dict[Hashable, CallBuilder] = {}  # the waiting calls that have a name
        self._released: set[Hashable] = set()

    def call(self, call: CallDelta, /) -> None:
        slot = call.slot
        if slot in self._released:
            self._inner.call(CallDelta(slot, kind=call.kind, delta=call.delta, last=call.last))
            return
        builder = self._waiting.get(slot)
        if builder is None:
            self._release()
            order = len(self._released) + len(self._waiting)
            builder = self._waiting[slot] = CallBuilder(call.id, order)
        builder.update(call)
        if builder.name:
            self._named[slot] = builder
        builder.ended = builder.ended or call.last
        if call.delta and builder.buffer(call.delta):
            self._release_call(slot, builder)

    def _release_call(self, slot: Hashable, call: CallBuilder) -> None:
        del self._waiting[slot]
        self._named.pop(slot, None)
        self._released.add(slot)
        first, *more = call.take_buffered() or [""]
        self._inner.call(
            CallDelta(
                slot,
                kind=call.kind,
                call_id=call.call_id,
                name=call.name,
                namespace=call.namespace,
                delta=first,
                id=call.upstream_id,
            )
        )
        for piece in more:
            self._inner.call(CallDelta(slot, kind=call.kind, delta=piece))
        if call.ended:
            self._inner.call(CallDelta(slot, kind=call.kind, last=True))

    def _release(self, *, nameless: bool = False) -> None:
        ready = self._waiting if nameless else self._named
        for slot, call in sorted(ready.items(), key=_call_order) if ready else ():
            self._release_call(slot, call)

    # -- other output, which releases waiting calls ------------------------------------------------

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._waiting:
            self._release()
        self._inner.text(delta, logprobs, id=id)

    def annotation(self, annotation: dict[str, Any], *, in_turn: bool = False, id: str | None = None) -> None:
        self._release()
        self._inner.annotation(annotation, in_turn=in_turn, id=id)

    def refusal(self, delta: str, *, id: str | None = None) -> None:
        self._release()
        self._inner.refusal(delta, id=id)

    def reasoning(self, delta: str, *, summary: bool = False, id: str | None = None) -> None:
        if self._waiting:
            self._release()
        self._inner.reasoning(delta, summary=summary, id=id)

    def encrypted_content(self, blob: str, *, id: str | None = None) -> None:
        self._release()
        self._inner.encrypted_content(blob, id=id)

    def item(self, item: dict[str, Any], *, slot: Hashable = None, done: bool = True) -> None:
        self._release()
        self._inner.item(item, slot=slot, done=done)

    def close_item(self, *, part: bool = False, status: ItemStatus = "completed") -> None:
        self._release()
        self._inner.close_item(part=part, status=status)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        self._release(nameless=True)
        self._released.clear()
        self._inner.end_turn(usage, outcome)


class AllowedToolsFilter(Wrapper):
    """Drops calls of tools that the client did not allow, and reports each as a loss.

    The backend gets all tools, so that its prompt cache stays valid. `allowed_tools` is a hard limit, but
    some backends ignore it.
    """

    def __init__(self, inner: Writer, allowed: frozenset[str]) -> None:
        super().__init__(inner)
        self._allowed = allowed
        self._is_allowed: dict[Hashable, bool] = {}

    def call(self, call: CallDelta, /) -> None:
        is_allowed = self._is_allowed.get(call.slot)
        if is_allowed is None:
            name = call.name or ""
            is_allowed = self._is_allowed[call.slot] = name in self._allowed
            if not is_allowed:
                self.losses.add("message.tool_calls", f"dropped: {short_name(name)} is not an allowed tool")
        if is_allowed:
            self._inner.call(call)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        self._is_allowed.clear()
        self._inner.end_turn(usage, outcome)


class CustomToolRestorer(Wrapper):
    """Turns calls of functions that replace custom tools into custom tool calls.

    Truncated arguments in a turn that claims to be complete fail the turn: the tool would run on half an
    input. `custom_tools` has the tools by the backend's names.
    """

    def __init__(self, inner: Writer, custom_tools: Mapping[str, MappedTool]) -> None:
        super().__init__(inner)
        self._custom_tools = custom_tools
        self._decoders: dict[Hashable, tuple[CustomToolInputDecoder, str]] = {}

    def call(self, call: CallDelta, /) -> None:
        tool = self._custom_tools.get(call.name or "")
        if tool is not None and call.kind == "function":
            lenient = tool.name == _LENIENT_TOOL and not tool.namespace
            self._decoders[call.slot] = CustomToolInputDecoder(lenient=lenient), tool.name
        if call.slot in self._decoders:
            decoder = self._decoders[call.slot][0]
            piece = decoder.feed(call.delta)
            call = replace(call, kind="custom", delta=piece, last=decoder.complete)
        self._inner.call(call)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        for slot, (decoder, name) in self._decoders.items():
            piece = decoder.close()
            self._inner.call(CallDelta(slot, kind="custom", delta=piece, last=not decoder.truncated))
            if decoder.has_extra_members:
                self.losses.add("message.tool_calls.arguments", "dropped: members beside the input")
            if decoder.truncated and outcome.status == "completed":
                outcome = failed(UpstreamError(f"The upstream sent a truncated call of '{name}'."))
        self._decoders.clear()
        self._inner.end_turn(usage, outcome)


class ClientToolRestorer(Wrapper):
    """Turns calls of functions that replace client-run tools into their own items, each complete.

    Invalid arguments fail the turn. If the turn itself was truncated, the call is dropped with a loss.
    `kinds` has the kinds of tool by the backend's names.
    """

    def __init__(self, inner: Writer, kinds: Mapping[str, Any]) -> None:
        super().__init__(inner)
        self._kinds = kinds
        self._calls: dict[Hashable, tuple[ClientToolKind, str | None, list[str]]] = {}

    def call(self, call: CallDelta, /) -> None:
        kind = self._kinds.get(call.name or "")
        if kind is not None:
            self._calls[call.slot] = kind, call.call_id, []
        if call.slot in self._calls:
            self._calls[call.slot][2].append(call.delta)
        else:
            self._inner.call(call)

    def end_turn(self, usage: Usage | None, outcome: Outcome) -> None:
        for kind, call_id, pieces in self._calls.values() if outcome.status != "failed" else ():
            item = read_call(kind, "".join(pieces))
            if item is not None:
                self._inner.item({**item, "call_id": call_id})
            elif outcome.status == "completed":
                message = f"The upstream sent a call of '{kind}' with invalid arguments."
                outcome = failed(UpstreamError(message))
            else:
                self.losses.add("message.tool_calls", "dropped: a call that was cut short")
        self._calls.clear()
        self._inner.end_turn(usage, outcome)


class NamespaceRestorer(Wrapper):
    """Gives calls the client's tool name and namespace. `tools` has the tools by the backend's names."""

    def __init__(self, inner: Writer, tools: Mapping[str, MappedTool]) -> None:
        super().__init__(inner)
        self._tools = tools

    def call(self, call: CallDelta, /) -> None:
        tool = self._tools.get(call.name or "")
        if tool is not None:
            call = replace(call, name=tool.name, namespace=tool.namespace or None)
        self._inner.call(call)


def _call_order(waiting: tuple[Hashable, CallBuilder]) -> int:
    return waiting[1].order
