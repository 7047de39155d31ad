"""`HostedItems`: items of a vendor's tools while they are open, and the events that tell how they get on.

    output_item.added  web_search_call.searching  web_search_call.completed  output_item.done

They pass as they are, under our numbers; what a server leaves out (`added`, or `done`) is made up for.
"""

from typing import Any

from chat2response.convert.writer import output_items
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.json import too_deep

_OURS = ("type", "sequence_number", "item_id", "output_index")


class HostedItems:
    """Of one turn, onto `writer`. Never raises on data."""

    __slots__ = ("_ended", "_open", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._open: dict[int, list[str]] = {}  # their types, by index
        self._ended: set[tuple[int, str]] = set()

    def added(self, index: int, item: dict[str, Any]) -> None:
        """One begins, if it is of a kind that has something to tell before its end."""
        kind = item.get("type")
        if type(kind) is str and kind in output_items.ITEMS_WITH_EVENTS and not too_deep(item):
            place = (index, kind)
            begun = self._open.setdefault(index, [])
            if kind not in begun and place not in self._ended:
                begun.append(kind)
                self._writer.item(item, slot=place, done=False)

    def event(self, event: dict[str, Any]) -> bool:
        """Whether the event is about one that is open."""
        index, kind = event.get("output_index"), event["type"]
        begun = self._open.get(index, ()) if type(index) is int else ()
        item_type = next((each for each in begun if _about(kind, each)), None)
        if item_type is None or too_deep(event):
            return False
        self._writer.item_event(
            (index, item_type), kind, **{key: event[key] for key in event if key not in _OURS}
        )
        return True

    def whole(self, index: int, item: dict[str, Any]) -> None:
        """One is whole: its `done`, or the terminal response that repeats it."""
        place = (index, item["type"])
        if place in self._ended:
            return
        self._ended.add(place)
        begun = self._open.get(index, [])
        if open_ := item["type"] in begun:
            begun.remove(item["type"])
        self._writer.item(item, slot=place if open_ else None)


def _about(event_type: str, item_type: str) -> bool:
    return event_type.startswith(f"response.{item_type}")
