"""`ODD`: changes to Responses events after which something is missing, misplaced or of a wrong type, by name.
`ODD_WHOLE`: such changes to a whole response.

Several results are acceptable, but content must never vanish silently.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.soak.senders.changes import Change, Events, missing, swapped, twice
from tests.soak.senders.responses import in_terminal_event, item_of
from tests.soak.senders.responses_whole import Resource, WholeChange, is_call


def _several(change: Change) -> Change:
    def again(events: Events, rng: random.Random) -> Events:
        for _ in range(rng.randint(2, 4)):
            events = change(events, rng) if len(events) > 1 else events
        return events

    return again


def _delta_of_unknown_type(events: Events, rng: random.Random) -> Events:
    kind = rng.choice(("thinking", "commentary", "output_audio_transcript", "output_text_chunk"))
    for event in events:
        if event["type"].endswith("text.delta") and rng.random() < 0.5:
            event["type"] = f"response.{kind}.delta"
    return events


def _unknown_text(events: Events, rng: random.Random) -> Events:
    """Inserts text that only an event of an unknown type has."""
    kind = rng.choice(
        ("response.thinking.delta", "response.output_note.done", "thought", "response.commentary")
    )
    key = rng.choice(("delta", "text", "content", "value"))
    at = rng.randrange(len(events))
    events.insert(at, {"type": kind, key: rng.choice(("w9001x", {"text": "w9001x"}, ["w9001x"]))})
    return events


def _retype(holder: dict[str, Any], rng: random.Random) -> None:
    """A value becomes one of another type, which still holds what was said."""
    name = rng.choice(list(holder))
    holder[name] = rng.choice(AS_TYPE)(holder[name])


def _other_type(events: Events, rng: random.Random) -> Events:
    """A value becomes one of another type, which still holds what was said."""
    event = rng.choice(events)
    _retype(event, rng)
    return events


def _other_key(events: Events, rng: random.Random) -> Events:
    """Renames the key of deltas or texts."""
    old, new = rng.choice(
        (("delta", "text"), ("delta", "content"), ("text", "content"), ("item", "output_item"))
    )
    for event in events:
        if old in event:
            event[new] = event.pop(old)
    return events


def _other_indices(events: Events, rng: random.Random) -> Events:
    for event in events:
        for name in ("output_index", "content_index"):
            if name in event and rng.random() < 0.3:
                event[name] = rng.choice((0, 1, 2, 7, -1, None, "x", True))
    return events


def _other_ids(events: Events, rng: random.Random) -> Events:
    ids = [event["item_id"] for event in events if "item_id" in event] or ["x"]
    for event in events:
        if "item_id" in event and rng.random() < 0.3:
            event["item_id"] = rng.choice((*ids, "", None, 7))
    return events


def _no_indices_no_ids(events: Events, rng: random.Random) -> Events:
    for event in events:
        for name in ("output_index", "item_id"):
            event.pop(name, None)
    return events


def _wrapped(events: Events, rng: random.Random) -> Events:
    name = rng.choice(("data", "event", "response", "payload"))
    typed = rng.random() < 0.5
    return [{name: event, **({"type": event["type"]} if typed else {})} for event in events]


def _no_names(events: Events, rng: random.Random) -> Events:
    for item in (*map(item_of, events), *events[-1].get("response", {}).get("output", ())):
        if is_call(item) and rng.random() < 0.7:
            item.pop("name", None)
    return events


def _other_end(events: Events, rng: random.Random) -> Events:
    kind = rng.choice(
        ("incomplete", "failed", "cancelled", "canceled", "queued", "expired", "done", "finished")
    )
    events[-1]["type"] = f"response.{kind}"
    if rng.random() < 0.5:
        events[-1]["response"]["status"] = kind
    return events


def _less_of_an_item(events: Events, rng: random.Random) -> Events:
    """Drops all events of one item, which is then only in the terminal event."""
    gone = rng.randrange(len(events[-1]["response"]["output"]))
    return [event for event in events if event.get("output_index") != gone]


# -- changes to a whole response ---------------------------------------------------------------------

AS_TYPE: tuple[Callable[[Any], Any], ...] = (
    lambda value: [value],
    lambda value: {"text": value},
    lambda value: {"value": value},
    lambda value: [{"type": "output_text", "text": value}],
    lambda value: json.dumps(value),
)


def _unknown_item(response: Resource, rng: random.Random) -> Resource:
    kind = rng.choice(("thought", "note", "assistant", None, 7, "output_text", "web_search_call"))
    content = rng.choice(({"text": "w9002x"}, {"content": [{"type": "output_text", "text": "w9002x"}]}))
    response["output"].insert(rng.randint(0, len(response["output"])), {"type": kind, **content})
    return response


def _item_of_no_object(response: Resource, rng: random.Random) -> Resource:
    response["output"].insert(
        0, rng.choice(("w9003x", ["w9003x"], [{"type": "message", "content": "w9003x"}]))
    )
    return response


def _unknown_part(response: Resource, rng: random.Random) -> Resource:
    part = rng.choice(
        (
            {"type": "note", "text": "w9004x"},
            {"text": "w9004x"},
            {"type": None, "content": "w9004x"},
            "w9004x",
            ["w9004x"],
        )
    )
    for item in response["output"]:
        if item["type"] in ("message", "reasoning"):
            item["summary" if item.get("summary") else "content"].append(part)
    return response


def _value_of_an_item(response: Resource, rng: random.Random) -> Resource:
    item = rng.choice(response["output"])
    _retype(item, rng)
    return response


def _value_of_a_part(response: Resource, rng: random.Random) -> Resource:
    parts = [part for item in response["output"] for part in item.get("content", ())]
    if parts:
        part = rng.choice(parts)
        _retype(part, rng)
    return response


def _key_of_an_item(response: Resource, rng: random.Random) -> Resource:
    old, new = rng.choice(
        (("content", "parts"), ("content", "text"), ("arguments", "args"), ("summary", "text"))
    )
    for item in response["output"]:
        if old in item:
            item[new] = item.pop(old)
    return response


def _more_text(response: Resource, rng: random.Random) -> Resource:
    for item in response["output"]:
        for part in item.get("content", ()):
            part["text"] += "w9005x"
    return response


def _other_text(response: Resource, rng: random.Random) -> Resource:
    for item in response["output"]:
        for part in item.get("content", ()):
            part["text"] = "w9006x"
    return response


def _other_arguments(response: Resource, rng: random.Random) -> Resource:
    for item in filter(is_call, response["output"]):
        item["arguments"] = rng.choice(
            ('{"a": "w9007x"}', f"{item['arguments']} and w9007x", "w9007x", "w9007x{}")
        )
    return response


def _nested_output(response: Resource, rng: random.Random) -> Resource:
    response["output"] = rng.choice(
        (
            response["output"][0],
            [response["output"]],
            {"items": response["output"]},
            json.dumps(response["output"]),
        )
    )
    return response


def _no_names_whole(response: Resource, rng: random.Random) -> Resource:
    for item in filter(is_call, response["output"]):
        if rng.random() < 0.7:
            item.pop("name")
    return response


def _output_text(response: Resource, rng: random.Random) -> Resource:
    """The SDK's `output_text` in place of the items."""
    response["output_text"] = "w9008x"
    if rng.random() < 0.5:
        response["output"] = rng.choice(([], None))
    return response


def _status(response: Resource, rng: random.Random) -> Resource:
    response["status"] = rng.choice(
        (
            "incomplete",
            "cancelled",
            "queued",
            "in_progress",
            "failed",
            "expired",
            "odd",
            7,
            ["completed"],
            True,
        )
    )
    return response


def _reason(response: Resource, rng: random.Random) -> Resource:
    response["status"] = "incomplete"
    response["incomplete_details"] = rng.choice(
        (None, {}, {"reason": "odd"}, {"reason": 7}, "max_output_tokens")
    )
    return response


def _error_beside(response: Resource, rng: random.Random) -> Resource:
    response["error"] = rng.choice(({"code": "x", "message": "It broke."}, "It broke.", {}, [], 7))
    return response


ODD_WHOLE: dict[str, WholeChange] = {
    "an unknown item": _unknown_item,
    "an item that is no object": _item_of_no_object,
    "an unknown part": _unknown_part,
    "another type of an item's value": _value_of_an_item,
    "another type of a part's value": _value_of_a_part,
    "another key of items": _key_of_an_item,
    "more text": _more_text,
    "another text": _other_text,
    "other arguments": _other_arguments,
    "an output of another type": _nested_output,
    "no names": _no_names_whole,
    "output_text": _output_text,
    "another status": _status,
    "another reason": _reason,
    "an error beside": _error_beside,
}

ODD: dict[str, Change] = {
    "two events swapped": swapped,
    "several events swapped": _several(swapped),
    "an event is missing": missing,
    "several events are missing": _several(missing),
    "an event twice": twice,
    "deltas of unknown types": _delta_of_unknown_type,
    "words in an unknown event": _unknown_text,
    "another type": _other_type,
    "another key": _other_key,
    "other indices": _other_indices,
    "other ids": _other_ids,
    "neither indices nor ids": _no_indices_no_ids,
    "wrapped in another key": _wrapped,
    "no names": _no_names,
    "another end": _other_end,
    "an item in the end only": _less_of_an_item,
    **{f"{name}, in the end": in_terminal_event(change) for name, change in ODD_WHOLE.items()},
}
