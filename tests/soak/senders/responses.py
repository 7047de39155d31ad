"""`NEUTRAL`: changes to Responses events that must not change the client's answer, by name.

The model's answer stays unambiguous, so the client must get the same one.
"""

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

from tests.soak.senders.changes import Change, Events
from tests.soak.senders.responses_whole import WHOLE, Resource, WholeChange, is_call, without
from tests.support.e2e.scripted_model import ModelReply

_DELTAS = ("output_text", "reasoning_text", "reasoning_summary_text", "function_call_arguments")


def events_of(*turns: ModelReply) -> tuple[Events, Resource]:
    """The events of one response with all turns in order, and the response."""
    events: Events = []
    output: list[Resource] = []
    for number, answer in enumerate(turns):
        turn_events = json.loads(
            re.sub(r'"(rs_up|msg_up|fc_\d|call_\d)"', rf'"\1_{number}"', json.dumps(answer.events()))
        )[2:-1]
        events += [{**event, "output_index": event["output_index"] + len(output)} for event in turn_events]
        output += [event["item"] for event in turn_events if event["type"] == "response.output_item.done"]
    first, second, *_, end = turns[0].events()
    response = {**end["response"], "output": output}
    events = [first, second, *events, {**end, "response": response}]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)], response


def in_terminal_event(change: WholeChange) -> Change:
    """Applies a change to the response in the terminal event."""

    def change_terminal_event(events: Events, rng: random.Random) -> Events:
        events[-1]["response"] = change(events[-1]["response"], rng)
        return events

    return change_terminal_event


def item_of(event: dict[str, Any]) -> dict[str, Any]:
    """The item in an event."""
    return event.get("item") or {}


def _types(*endings: str) -> Change:
    """Drops the events whose types have these endings."""

    def without(events: Events, rng: random.Random) -> Events:
        return [event for event in events if not event["type"].endswith(endings)]

    return without


def _keys(*names: str) -> Change:
    """Removes these keys from all events."""

    def without(events: Events, rng: random.Random) -> Events:
        return [{name: value for name, value in event.items() if name not in names} for event in events]

    return without


def _set(name: str, value: Callable[[Any, random.Random], Any]) -> Change:
    """Changes the value of a key in the events that have it."""

    def other(events: Events, rng: random.Random) -> Events:
        for event in events:
            if name in event:
                event[name] = value(event[name], rng)
        return events

    return other


def _both(*changes: Change) -> Change:
    def each(events: Events, rng: random.Random) -> Events:
        for change in changes:
            events = change(events, rng)
        return events

    return each


# -- changes to events -------------------------------------------------------------------------------


def _without_item_added(events: Events, rng: random.Random) -> Events:
    return [event for event in events if not event["type"].endswith("output_item.added")]


def _only_the_end(events: Events, rng: random.Random) -> Events:
    return events[-1:]


def _no_deltas(events: Events, rng: random.Random) -> Events:
    return [event for event in events if not event["type"].endswith(".delta")]


def _bare_minimum(events: Events, rng: random.Random) -> Events:
    """Only deltas, call items, and a terminal event with an empty output."""
    remaining = [e for e in events if e["type"].endswith(".delta") or is_call(item_of(e))]
    end = events[-1]
    return [*remaining, {"type": end["type"], "response": {**end["response"], "output": []}}]


def _ids_of_their_own(events: Events, rng: random.Random) -> Events:
    for event in events:
        if "item_id" in event:
            event["item_id"] = f"item_{rng.random()}"
    return events


def _ids_in_the_end(events: Events, rng: random.Random) -> Events:
    for item in events[-1]["response"]["output"]:
        item["id"] = f"{item['type']}_{rng.random()}"
    return events


def _call_ids_in_the_end(events: Events, rng: random.Random) -> Events:
    ids = rng.random() < 0.5
    for item in filter(is_call, events[-1]["response"]["output"]):
        item["call_id"] = f"call_{rng.random()}"
        if ids:
            item["id"] = f"fc_{rng.random()}"
    return events


def _call_ids_only(where: str) -> Change:
    """A call has its `call_id` only in one event; elsewhere it is missing or empty."""

    def only(events: Events, rng: random.Random) -> Events:
        empty = rng.random() < 0.5
        others = [item_of(event) for event in events[:-1] if not where or not event["type"].endswith(where)]
        for item in (*others, *(events[-1]["response"]["output"] if where else ())):
            if is_call(item):
                del item["call_id"]
                item |= {"call_id": ""} if empty else {}
        return events

    return only


def _call_ids_per_event(events: Events, rng: random.Random) -> Events:
    for event in events[:-1]:
        if is_call(item_of(event)):
            item_of(event)["call_id"] = f"call_{rng.random()}"
    return events


def _index_from_one(events: Events, rng: random.Random) -> Events:
    for event in events:
        if "output_index" in event:
            event["output_index"] += 1
    return events


def _done_twice(events: Events, rng: random.Random) -> Events:
    repeated: Events = []
    for event in events:
        repeated.append(event)
        if event["type"].endswith(".done") and rng.random() < 0.5:
            repeated.append(copy.deepcopy(event))
    return repeated


def _added_twice(events: Events, rng: random.Random) -> Events:
    twice = [
        [event, copy.deepcopy(event)] if event["type"].endswith(".added") else [event] for event in events
    ]
    return [event for pair in twice for event in pair]


def _last_item_in_the_end(events: Events, rng: random.Random) -> Events:
    last = len(events[-1]["response"]["output"]) - 1
    return [event for event in events if event.get("output_index") != last]


def _cut_deltas(events: Events, rng: random.Random) -> Events:
    """The last delta of each text is missing, but its `done` event has the whole text."""
    remaining = []
    for event, following in zip(events, [*events[1:], {"type": ""}], strict=True):
        if not (event["type"].endswith(".delta") and following["type"].endswith(".done")):
            remaining.append(event)
    return remaining


_UNKNOWN_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "ping"}, {"type": "keepalive", "sequence_number": 3}, {"type": "response.rate_limits.updated"},
    {"type": "codex.rate_limits", "limits": []}, {"type": "response.queued"}, {"type": None}, {}, {"a": "b"},
    {"type": "response.metadata", "metadata": {"a": 1}}, {"type": "response.heartbeat", "response_id": "r"},
)  # fmt: skip


def _unknown_events(events: Events, rng: random.Random) -> Events:
    for _ in range(rng.randint(1, 4)):
        events.insert(rng.randrange(len(events)), dict(rng.choice(_UNKNOWN_EVENTS)))
    return events


def _done_for_end(events: Events, rng: random.Random) -> Events:
    """The terminal event has a name that other servers use, or one that does not show the status."""
    events[-1]["type"] = rng.choice(("response.done", "response.completed"))
    return events


def _bare_end(events: Events, rng: random.Random) -> Events:
    """The terminal event is the response itself, with the event's type or without a type."""
    end = events.pop()
    return [*events, {**end["response"], **({"type": end["type"]} if rng.random() < 0.5 else {})}]


NEUTRAL: dict[str, Change] = {
    "no output_item.added": _without_item_added,
    "no content_part.added": _types("_part.added"),
    "no parts": _types("_part.added", "_part.done"),
    "no done of texts": _types(*(f"{kind}.done" for kind in _DELTAS)),
    "no output_item.done": _types("output_item.done"),
    "no done": _types(".done"),
    "no added": _types(".added"),
    "neither added nor done": _types(".added", ".done"),
    "no deltas": _no_deltas,
    "items that are done only": _types(".added", ".delta", "_part.done", "text.done", "arguments.done"),
    "texts that are done only": _types(".added", ".delta", "_part.done", "item.done"),
    "the last delta missing": _cut_deltas,
    "only the end": _only_the_end,
    "the bare minimum": _bare_minimum,
    "no beginning": _types(".created", ".in_progress"),
    "nothing in the end": in_terminal_event(lambda response, rng: {**response, "output": []}),
    "no output in the end": in_terminal_event(without("output")),
    "null in the end": in_terminal_event(lambda response, rng: {**response, "output": None}),
    "an item's id in each event": _ids_of_their_own,
    "other ids in the end": _ids_in_the_end,
    "other call_ids in the end": _call_ids_in_the_end,
    "call_id in added only": _call_ids_only("added"),
    "call_id in done only": _call_ids_only("item.done"),
    "call_id in the end only": _call_ids_only(""),
    "a call_id in each event": _call_ids_per_event,
    "no item_id": _keys("item_id"),
    "no output_index": _keys("output_index"),
    "no content_index": _keys("content_index", "summary_index"),
    "no sequence_number": _keys("sequence_number"),
    "zero for sequence_number": _set("sequence_number", lambda value, rng: 0),
    "output_index as text": _set("output_index", lambda value, rng: str(value)),
    "output_index as float": _set("output_index", lambda value, rng: float(value)),
    "output_index null": _set("output_index", lambda value, rng: None),
    "output_index always 0": _set("output_index", lambda value, rng: 0),
    "output_index from 1": _index_from_one,
    "indices as texts, no ids": _both(_keys("item_id"), _set("output_index", lambda value, rng: str(value))),
    "done twice": _done_twice,
    "added twice": _added_twice,
    "the last item in the end only": _last_item_in_the_end,
    "unknown events between": _unknown_events,
    "another name of the end": _done_for_end,
    "the bare response as the end": _bare_end,
    **{f"{name}, in the end": in_terminal_event(change) for name, change in WHOLE.items()},
}
