"""Pairs tool calls with their outputs.

The n-th output with an id belongs to the n-th call with it: some backends use the same ids in every turn. An
output without an id belongs to the first call of its name that has no other output. The output of a local
shell call carries the id of the call, or of the call's item, as its own `id`.
"""

from collections import deque
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS
from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import missing_field, wrong_type

_Item = dict[str, Any]

_OBJECTS = {dict}
MISSING_OUTPUT = "There is no output."
"""The output that the gateway adds to a call that has none, where the policy repairs orphans."""


class CallPairing:
    """Scans all items in advance, because Chat wants an output right after its call."""

    __slots__ = ("_by_id", "_ids", "_nameless")

    def __init__(self, items: list[Any], hub: HubRequest) -> None:
        self._by_id: dict[str, deque[int]] = {}
        self._ids: dict[int, str] = {}
        if hub.item_kinds().isdisjoint(OUTPUTS) and {*map(type, items)} <= _OBJECTS:
            return  # nothing to pair
        nameless: list[int] = []
        for index, item in enumerate(items):
            if type(item) is not dict:
                raise wrong_type(hub.item_path(index), "an object", item)
            kind = item.get("type")
            if type(kind) is not str or kind not in OUTPUTS:
                continue
            call_id = item.get("call_id")
            if call_id is None and kind == "local_shell_call_output":
                call_id = item.get("id")
            if type(call_id) is str:
                self._add(call_id, index)
            elif call_id is not None:
                raise wrong_type(f"{hub.item_path(index)}.call_id", "a string", call_id)
            elif kind != "tool_search_output":  # without an id: the vendor ran the search
                nameless.append(index)
        if nameless:
            self._pair_by_name(nameless, items, hub)

    def _add(self, call_id: str, index: int) -> None:
        self._by_id.setdefault(call_id, deque()).append(index)
        self._ids[index] = call_id

    def _pair_by_name(self, nameless: list[int], items: list[Any], hub: HubRequest) -> None:
        unpaired: dict[Any, deque[tuple[int, str]]] = {}
        for index, item in enumerate(items):
            call_id, name = item.get("call_id"), item.get("name")
            is_named_call = item.get("type") in ("function_call", "custom_tool_call") and type(name) is str
            if is_named_call and type(call_id) is str and call_id not in self._by_id:
                unpaired.setdefault(name, deque()).append((index, call_id))
        for index in nameless:
            name = items[index].get("name")
            calls = unpaired.get(name) if type(name) is str else None
            if not calls or calls[0][0] > index:
                raise missing_field(f"{hub.item_path(index)}.call_id")
            self._add(calls.popleft()[1], index)

    def take_output(self, *call_ids: Any) -> int | None:
        """Takes the output for a call with one of these ids. Returns its index, or None if there is none."""
        for call_id in call_ids:
            unpaired = self._by_id.get(call_id) if type(call_id) is str else None
            if unpaired:
                return unpaired.popleft()
        return None

    def is_orphan(self, index: int) -> bool:
        """Whether the output at `index` belongs to no earlier call. A later call does not get it either."""
        unpaired = self._by_id.get(self._ids.get(index, ""))
        if not unpaired or unpaired[0] != index:
            return False
        unpaired.popleft()
        return True

    def call_id(self, index: int) -> str:
        """The id of the call that the output at `index` belongs to."""
        return self._ids[index]
