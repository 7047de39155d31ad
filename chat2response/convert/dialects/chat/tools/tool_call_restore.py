"""Wrappers that turn the calls of a Chat backend back into those of the client's tools.

    reader > CallNames > AllowedCalls > BuiltinRestorer > CustomToolUnwrapper > NamespaceRestorer > writer

`restored` puts around a writer those that the tools of the request need.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from chat2response.convert.dialects.chat.tools.client_tools import BUILTINS, BuiltinKind, read_arguments
from chat2response.convert.dialects.chat.tools.custom_tool_input import InputUnwrapper
from chat2response.convert.dialects.chat.tools.tool_map import Bound, ToolMap
from chat2response.convert.loose_values import short_name
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.writer.call_builder import CallBuilder
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import Wrapper
from chat2response.errors import UpstreamError
from chat2response.wire.responses import ItemStatus, Usage

_LENIENT = "apply_patch"  # the one tool that models know by heart, in several spellings of its input


def restored(writer: Writer, tools: ToolMap, allowed: frozenset[str] | None = None) -> Writer:
    """`writer`, for a reader that knows the backend's names; `allowed`: the only ones that may be called."""
    if not tools.plain:
        writer = _as_the_clients(writer, tools)
    if allowed is not None:
        writer = AllowedCalls(writer, allowed)
    elif tools.plain:
        return writer
    return CallNames(writer)


def _as_the_clients(writer: Writer, tools: ToolMap) -> Writer:
    """What turns each kind of call back."""
    renamed = {sent: each for sent, each in tools.by_sent.items() if each.name != sent}
    custom = {sent: each for sent, each in tools.by_sent.items() if each.kind == "custom"}
    if renamed:
        writer = NamespaceRestorer(writer, renamed)
    if custom:
        writer = CustomToolUnwrapper(writer, custom)
    builtin = {sent: each.kind for sent, each in tools.by_sent.items() if each.kind in BUILTINS}
    if builtin:
        writer = BuiltinRestorer(writer, builtin)
    return writer


class CallNames(Wrapper):
    """Passes a call on once its name is whole: with its first argument text, or before something else."""

    def __init__(self, inner: Writer) -> None:
        super().__init__(inner)
        self._waiting: dict[Hashable, CallBuilder] = {}
        self._named: dict[
            Hashable, CallBuilder
        ] = {}  # those of them that may pass as soon as something begins
        self._passed: set[Hashable] = set()

    def call(self, slot: Hashable, **said: Any) -> None:
        kind, delta, last = said.get("kind", "function"), said.get("delta", ""), said.get("last", False)
        if slot in self._passed:
            self._inner.call(slot, kind=kind, delta=delta, last=last)
            return
        call = self._waiting.get(slot)
        if call is None:
            self._release()
            order = len(self._passed) + len(self._waiting)
            call = self._waiting[slot] = CallBuilder(said.get("id"), order)
        call.update(kind, said.get("call_id"), said.get("name"), said.get("namespace"))
        if call.name:
            self._named[slot] = call
        call.ended = call.ended or last
        if delta and call.buffer(delta):
            self._pass(slot, call)

    def _pass(self, slot: Hashable, call: CallBuilder) -> None:
        del self._waiting[slot]
        self._named.pop(slot, None)
        self._passed.add(slot)
        said: dict[str, Any] = {"call_id": call.call_id, "name": call.name, "namespace": call.namespace}
        for piece in call.take_buffered() or [""]:
            self._inner.call(slot, kind=call.kind, delta=piece, id=call.upstream_id, **said)
            said = {}
        if call.ended:
            self._inner.call(slot, kind=call.kind, last=True)

    def _release(self, *, nameless: bool = False) -> None:
        ready = self._waiting if nameless else self._named
        for slot, call in sorted(ready.items(), key=_order) if ready else ():
            self._pass(slot, call)

    # -- what begins something else ----------------------------------------------------------------

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

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        self._release(nameless=True)
        self._passed.clear()
        self._inner.end_turn(used, outcome)


class AllowedCalls(Wrapper):
    """Leaves out the calls of tools that the client did not allow, and names them.

    All tools are declared to the backend, so that its prompt cache holds; `allowed_tools` is a hard limit all
    the same, and some backends take it for advice.
    """

    def __init__(self, inner: Writer, allowed: frozenset[str]) -> None:
        super().__init__(inner)
        self._allowed = allowed
        self._passes: dict[Hashable, bool] = {}

    def call(self, slot: Hashable, **said: Any) -> None:
        passes = self._passes.get(slot)
        if passes is None:
            name = said.get("name") or ""
            passes = self._passes[slot] = name in self._allowed
            if not passes:
                self.losses.add("message.tool_calls", f"dropped: {short_name(name)} is not an allowed tool")
        if passes:
            self._inner.call(slot, **said)

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        self._passes.clear()
        self._inner.end_turn(used, outcome)


class CustomToolUnwrapper(Wrapper):
    """Calls of the functions that stand in for custom tools become custom tool calls.

    One whose arguments broke off in a turn that says it is complete fails the turn: its tool would run on
    half an input. `custom`: the tools, by the backend's names.
    """

    def __init__(self, inner: Writer, custom: Mapping[str, Bound]) -> None:
        super().__init__(inner)
        self._custom = custom
        self._calls: dict[Hashable, tuple[InputUnwrapper, str]] = {}

    def call(self, slot: Hashable, **said: Any) -> None:
        tool = self._custom.get(said.get("name") or "")
        if tool is not None and said.get("kind", "function") == "function":
            lenient = tool.name == _LENIENT and not tool.namespace
            self._calls[slot] = InputUnwrapper(lenient=lenient), tool.name
        if slot in self._calls:
            unwrapper = self._calls[slot][0]
            given = unwrapper.feed(said.get("delta", ""))
            said = {**said, "kind": "custom", "delta": given, "last": unwrapper.whole}
        self._inner.call(slot, **said)

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        for slot, (unwrapper, name) in self._calls.items():
            rest = unwrapper.close()
            self._inner.call(slot, kind="custom", delta=rest, last=not unwrapper.cut)
            if unwrapper.more:
                self.losses.add("message.tool_calls.arguments", "dropped: what stands beside the input")
            if unwrapper.cut and outcome.status == "completed":
                outcome = failed(UpstreamError(f"The upstream's call of '{name}' breaks off in its input."))
        self._calls.clear()
        self._inner.end_turn(used, outcome)


class BuiltinRestorer(Wrapper):
    """Calls of the functions that stand in for built-in tools become items of their own, each whole.

    One whose arguments mean no such call fails the turn; where the turn was cut, it is lost with the rest.
    `kinds`: by the backend's names.
    """

    def __init__(self, inner: Writer, kinds: Mapping[str, Any]) -> None:
        super().__init__(inner)
        self._kinds = kinds
        self._calls: dict[Hashable, tuple[BuiltinKind, str | None, list[str]]] = {}

    def call(self, slot: Hashable, **said: Any) -> None:
        kind = self._kinds.get(said.get("name") or "")
        if kind is not None:
            self._calls[slot] = kind, said.get("call_id"), []
        if slot in self._calls:
            self._calls[slot][2].append(said.get("delta", ""))
        else:
            self._inner.call(slot, **said)

    def end_turn(self, used: Usage | None, outcome: Outcome) -> None:
        for kind, call_id, pieces in self._calls.values() if outcome.status != "failed" else ():
            item = read_arguments(kind, "".join(pieces))
            if item is not None:
                self._inner.item({**item, "call_id": call_id})
            elif outcome.status == "completed":
                outcome = failed(UpstreamError(f"The upstream's call of '{kind}' cannot be read."))
            else:
                self.losses.add("message.tool_calls", "dropped: a call that was cut short")
        self._calls.clear()
        self._inner.end_turn(used, outcome)


class NamespaceRestorer(Wrapper):
    """Calls get the client's name of their tool, and its namespace. `tools`: by the backend's names."""

    def __init__(self, inner: Writer, tools: Mapping[str, Bound]) -> None:
        super().__init__(inner)
        self._tools = tools

    def call(self, slot: Hashable, **said: Any) -> None:
        tool = self._tools.get(said.get("name") or "")
        if tool is not None:
            said = {**said, "name": tool.name, "namespace": tool.namespace or None}
        self._inner.call(slot, **said)


def _order(waiting: tuple[Hashable, CallBuilder]) -> int:
    return waiting[1].order
