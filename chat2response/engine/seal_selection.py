"""Selects the seal of a call's reasoning, by tenant, upstream and model (law 7, tenants never meet)."""

import hashlib
from dataclasses import replace

from chat2response.convert.hub import HubRequest
from chat2response.engine.call import Call
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Target

_SEAL_FIELD = b"encrypted_content"  # in `include`, or in an item of the history


def with_seal(hub: HubRequest, call: Call, target: Target, sealing: Sealing | None) -> HubRequest:
    """The request with its seal, if it may need one: some upstreams seal their own reasoning."""
    if sealing is None or target.dialect.seals_reasoning or _SEAL_FIELD not in call.body:
        return hub
    model = target.backend.model or str(hub.body.get("model"))
    return replace(hub, seal=sealing.seal_for(_tenant(call), target.base_url, model))


def _tenant(call: Call) -> str | None:
    """The key's id; in passthrough a hash of the client's bearer token; None without either."""
    if call.tenant is not None or call.authorization is None:
        return call.tenant
    token = call.authorization.partition(" ")[2].strip()
    return f"bearer:{hashlib.sha256(token.encode()).hexdigest()}"
