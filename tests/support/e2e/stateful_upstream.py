"""An upstream that stores its responses, and the ids that refer to them."""

import json
from typing import Any

import httpx2

from tests.support.e2e.dialect_pairs import body_for
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import RESPONSES, Call, ModelReply, frames, sse
from tests.support.scripted_upstream import Received, Script

REPLY = ModelReply(text=("Hi",), calls=(Call("look"),), response_id="resp_a")
CONVERSATION = {"conversation": {"id": "conv_a"}}


def keeping(request: Received) -> Script:
    """An upstream that stores its responses in a conversation, unless the request has `store: false`."""
    body = request.json()
    where = CONVERSATION if body.get("store") is not False or body.get("conversation") else {}
    if not body.get("stream"):
        return Script(RESPONSES, (json.dumps(REPLY.resource(**where)).encode(),))
    events = REPLY.events()
    for event in events:
        if "response" in event:
            event["response"] = {**event["response"], **where}
    return frames("responses", *sse(*events, done=False))


REFERENCES: dict[str, dict[str, Any]] = {
    "response": {"previous_response_id": "resp_a"},
    "conversation": {"conversation": "conv_a"},
    "conversation object": {"conversation": {"id": "conv_a"}},
    "message": {"input": [{"type": "item_reference", "id": "msg_up"}]},
    "call": {"input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "fc_0"}]},
    "typeless": {"input": [{"id": "msg_up"}]},
    "null type": {"input": [{"id": "msg_up", "type": None}]},
}
"""Every way to refer to something that it made."""


async def ask(gateway: Running, key: str, more: dict[str, Any]) -> httpx2.Response:
    """A request with this key, whose response is stored unless `more` says otherwise."""
    body = {**body_for("responses"), "store": True, **more}
    return await gateway.post(RESPONSES, body, headers={"authorization": f"Bearer {key}"})
