"""`OrphanedCalls`: repairs calls without outputs, and outputs without calls, for a Responses upstream.

It works only if the operator's policy requests it. Otherwise the upstream reports them itself, in a 400; and
if the upstream keeps the conversation, an output may well answer a call that is not in the request.
"""

from typing import Any

from chat2response.convert.dialects.chat.history.call_pairing import MISSING_OUTPUT, CallPairing
from chat2response.convert.dialects.chat.history.tool_outputs import OUTPUTS
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy

_Item = dict[str, Any]

_CALLS = ("function_call", "custom_tool_call")
_ELSEWHERE = ("previous_response_id", "conversation")


class OrphanedCalls:
    """The orphans of one request. Callers pass the items in order."""

    def __init__(self, items: list[_Item], hub: HubRequest, losses: Losses) -> None:
        self._pairs = CallPairing(items, hub)
        self._hub = hub
        self._losses = losses

    @classmethod
    def for_request(
        cls, items: list[_Item], hub: HubRequest, losses: Losses, policy: Policy
    ) -> "OrphanedCalls | None":
        """None if nothing is to be repaired."""
        if policy.orphans == "refuse" or any(hub.body.get(name) for name in _ELSEWHERE):
            return None
        return cls(items, hub, losses)

    def drops(self, item: _Item, index: int) -> bool:
        """Whether the item is an output that answers no call; records the loss."""
        if item["type"] not in OUTPUTS or not self._pairs.is_orphan(index):
            return False
        self._losses.add(self._hub.item_path(index), "dropped: it answers no call")
        return True

    def missing_output(self, item: _Item, index: int) -> _Item | None:
        """The output that a call lacks, or None; records the loss."""
        if item["type"] not in _CALLS or self._pairs.take_output(item["call_id"]) is not None:
            return None
        self._losses.add(self._hub.item_path(index), "answered here: it has no output")
        return {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": MISSING_OUTPUT}
