"""Which seal a call's reasoning has (law 7): that of its tenant, for this upstream and this model."""

import hashlib
from dataclasses import replace

from chat2response.convert.hub import HubRequest
from chat2response.engine.call import Call
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Target

_ASKED = b"encrypted_content"  # in `include`, or in an item that comes back


def with_seal(hub: HubRequest, call: Call, target: Target, sealing: Sealing | None) -> HubRequest:
    """The request with its seal, where it may need one: toward a Responses server nothing is sealed here."""
    if sealing is None or target.dialect != "chat" or _ASKED not in call.body:
        return hub
    model = target.model or str(hub.body.get("model"))
    return replace(hub, seal=sealing.seal_for(_tenant(call), target.base_url, model))


def _tenant(call: Call) -> str | None:
    """Our key; where callers bring the upstream's own, that one; without any, nobody in particular."""
    if call.tenant is not None or call.authorization is None:
        return call.tenant
    token = call.authorization.partition(" ")[2].strip()
    return f"bearer:{hashlib.sha256(token.encode()).hexdigest()}"
