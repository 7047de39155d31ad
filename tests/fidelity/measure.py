"""Measures what a converter does with a field: runs it with and without the field and compares."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.errors import InvalidRequest
from chat2response.wire.json import encode
from tests.fidelity.gateway import Does, done

Json = dict[str, Any]
Convert = Callable[[Json, Losses], Any]
"""Takes a body and a `Losses` to fill; returns the converted body."""

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Probe:
    """One row: `fields` are added to a minimal body. `note` says why a field that is not sent is no loss, or
    what the gateway does besides. `engine` says how the gateway, `on` these surfaces, does what the converter
    refuses; `does` proves it."""

    label: str
    fields: Mapping[str, Any] = field(hash=False)
    note: str = ""
    engine: str = ""
    on: str = "/v1/chat/completions"
    does: Does | None = None
    base: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further fields of the body, in both runs."""
    native: str = ""
    """The type that a tool or call must have in the converted body. With another one it is emulated."""
    role: str = ""
    """The role that a message must have in the converted body. With another one it is approximated."""
    values: bool = False
    """Whether the row shows the value too, where a field name alone would not be clear."""


@dataclass(frozen=True, slots=True)
class Fate:
    """`kind`: kept, emulated, approximated, lost, refused, not sent (the gateway handles it itself)."""

    kind: str
    how: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.how}" if self.how else self.kind


def fate(probe: Probe, convert: Convert, minimal: Json) -> Fate:
    """Measures the probe's field."""
    if probe.does:
        return _by_the_engine(probe, probe.does, convert, minimal)
    before = Losses()
    base = {**minimal, **probe.base}
    plain = convert(base, before)
    losses = Losses()
    try:
        converted = convert({**base, **probe.fields}, losses)
    except InvalidRequest as refusal:
        return Fate("refused", f"400, `{refusal.param}`")
    new = [loss for loss in losses if loss not in set(before)]
    if new:
        return _lost(new)
    changed = dict(sorted(_changes(plain, converted, "")))
    if not changed:
        return Fate("not sent", probe.note)
    if probe.native and probe.native not in (types := set(_types(converted))):
        return Fate("emulated", f"as a {min(types)}" if types else f"as `{min(changed)}`")
    if probe.role and probe.role not in (roles := _roles(converted)):
        return Fate("approximated", f"as role `{roles[-1]}`")
    shown = ", ".join(f"`{_named(probe, *each)}`" for each in [*changed.items()][:3])
    how = "" if shown == f"`{probe.label}`" else f"as {shown}"
    return Fate("kept", "; ".join(filter(None, (how, probe.note))))


def _by_the_engine(probe: Probe, does: Does, convert: Convert, minimal: Json) -> Fate:
    """The fate on surfaces where the engine applies the field, and on the others."""
    assert done(dict(probe.fields), does), f"the engine does not do what {probe.label} asks for"
    elsewhere = fate(replace(probe, does=None), convert, minimal)
    fallback = "a 400" if elsewhere.kind == "refused" else str(elsewhere)
    return Fate("emulated", f"{probe.engine}, on {probe.on}; elsewhere {fallback}")


def _named(probe: Probe, path: str, value: Any) -> str:
    return f"{path}: {encode(value).decode()}" if probe.values and value is not _MISSING else path


def _roles(converted: Json) -> list[str]:
    return [each["role"] for each in converted.get("messages") or converted["input"] if "role" in each]


def _types(converted: Json) -> Iterator[str]:
    """The types of the tools and of the calls in a Chat body."""
    messages = converted["messages"]
    for message in messages:
        yield from (call["type"] for call in message.get("tool_calls", ()))
    yield from (
        tool["type"]
        for tool in converted.get("tools", ())
        if not any("tool_calls" in m for m in converted["messages"])
    )


def _lost(losses: list[Any]) -> Fate:
    effects = "; ".join(sorted({loss.effect for loss in losses}))
    if all(loss.effect == "dropped" or _is_a_tool(loss.field) for loss in losses):
        return Fate("lost", ", ".join(f"`{loss.field}`" for loss in losses[:3]))
    return Fate("emulated" if "emulated" in effects else "approximated", effects.removeprefix("emulated: "))


def _is_a_tool(field: str) -> bool:
    """Whether a loss is of a whole tool."""
    return field.startswith("tools[") and field.endswith("]")


def _changes(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yields the path and value of everything that is new or different. An added value has one path."""
    if type(old) is dict and type(new) is dict:
        for key in {**old, **new}:
            name = f"{path}.{key}" if path else key
            yield from _changes(old.get(key, _MISSING), new.get(key, _MISSING), name)
    elif type(old) is list and type(new) is list and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _changes(one, other, f"{path}[{number}]")
    elif old != new:
        yield path, new
