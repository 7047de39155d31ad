"""`HostedItems`: passes on the items of hosted tools while they run, and the events about their progress.

    output_item.added  web_search_call.searching  web_search_call.completed  output_item.done

The events pass unchanged, but with the gateway's numbers; if a server omits `added` or `done`, they are
supplied.
"""

from typing import Any

from chat2response.convert.writer import output_items
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.json import too_deep

_OWN_KEYS = ("type", "sequence_number", "item_id", "output_index")


class HostedItems:
    """The items of one turn, written to `writer`. Never raises on data."""

    __slots__ = ("_ended", "_open", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._open: dict[int, list[str]] = {}  # the types of open items, by index
        self._ended: set[tuple[int, str]] = set()

    def begin_item(self, index: int, item: dict[str, Any]) -> None:
        """Begins an item, if its type has events before its end."""
        kind = item.get("type")
        if type(kind) is str and kind in output_items.ITEMS_WITH_EVENTS and not too_deep(item):
            slot = (index, kind)
            open_types = self._open.setdefault(index, [])
            if kind not in open_types and slot not in self._ended:
                open_types.append(kind)
                self._writer.item(item, slot=slot, done=False)

    def pass_event(self, event: dict[str, Any]) -> bool:
        """Passes on an event; False if it is about no open item."""
        index, kind = event.get("output_index"), event["type"]
        open_types = self._open.get(index, ()) if type(index) is int else ()
        item_type = next((each for each in open_types if _about(kind, each)), None)
        if item_type is None or too_deep(event):
            return False
        self._writer.item_event(
            (index, item_type), kind, **{key: event[key] for key in event if key not in _OWN_KEYS}
        )
        return True

    def finish_item(self, index: int, item: dict[str, Any]) -> None:
        """Ends an item: by its `done`, or by the terminal response that repeats it."""
        slot = (index, item["type"])
        if slot in self._ended:
            return
        self._ended.add(slot)
        open_types = self._open.get(index, [])
        if is_open := item["type"] in open_types:
            open_types.remove(item["type"])
        self._writer.item(item, slot=slot if is_open else None)


def _about(event_type: str, item_type: str) -> bool:
    return event_type.startswith(f"response.{item_type}")
