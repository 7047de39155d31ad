"""`Pairs`: which output answers which call.

The n-th call with an id is answered by the n-th output with it: some backends use the same ids in every turn.
An output without an id answers the first call of its name that nothing else answers; that of a local shell
bears the id of its call, or of its call's item, as its own.
"""

from collections import deque
from typing import Any

from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS
from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import missing_field, wrong_type

_Item = dict[str, Any]

UNANSWERED = "There is no output."
"""What a call is answered with that has none, where orphans are put right."""


class Pairs:
    """Looks ahead over all items, because an output follows its call at once."""

    __slots__ = ("_by_id", "_ids", "_nameless")

    def __init__(self, items: list[Any], hub: HubRequest) -> None:
        self._by_id: dict[str, deque[int]] = {}
        self._ids: dict[int, str] = {}
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
                self._note(call_id, index)
            elif call_id is not None:
                raise wrong_type(f"{hub.item_path(index)}.call_id", "a string", call_id)
            elif kind != "tool_search_output":  # of a search that the vendor made
                nameless.append(index)
        if nameless:
            self._match(nameless, items, hub)

    def _note(self, call_id: str, index: int) -> None:
        self._by_id.setdefault(call_id, deque()).append(index)
        self._ids[index] = call_id

    def _match(self, nameless: list[int], items: list[Any], hub: HubRequest) -> None:
        waiting: dict[Any, deque[tuple[int, str]]] = {}
        for index, item in enumerate(items):
            call_id, name = item.get("call_id"), item.get("name")
            called = item.get("type") in ("function_call", "custom_tool_call") and type(name) is str
            if called and type(call_id) is str and call_id not in self._by_id:
                waiting.setdefault(name, deque()).append((index, call_id))
        for index in nameless:
            name = items[index].get("name")
            calls = waiting.get(name) if type(name) is str else None
            if not calls or calls[0][0] > index:
                raise missing_field(f"{hub.item_path(index)}.call_id")
            self._note(calls.popleft()[1], index)

    def answer(self, *call_ids: Any) -> int | None:
        """The index of the output for a call that bears one of these ids, now taken; None without one."""
        for call_id in call_ids:
            waiting = self._by_id.get(call_id) if type(call_id) is str else None
            if waiting:
                return waiting.popleft()
        return None

    def orphan(self, index: int) -> bool:
        """Whether the output there answers no call before it; then none after it either."""
        waiting = self._by_id.get(self._ids.get(index, ""))
        if not waiting or waiting[0] != index:
            return False
        waiting.popleft()
        return True

    def call_id(self, index: int) -> str:
        """The id of the call that the output there answers."""
        return self._ids[index]
