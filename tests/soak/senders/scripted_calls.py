"""Calls for which the upstream plays a given script."""

from typing import Any

from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.soak.gateway import Gateway
from tests.support.soak.raw_http import Answer


class ScriptedCalls:
    """Calls a gateway; the model's name in a request selects the upstream's script."""

    def __init__(self, upstream: ScriptedUpstream, upstream_path: str) -> None:
        self._upstream = upstream
        self._scripts: dict[str, Script] = {}
        upstream.play_for(upstream_path, lambda received: self._scripts[received.json()["model"]])

    async def call(self, running: Gateway, path: str, body: dict[str, Any], script: Script) -> Answer:
        """The answer to `body`, whose model name is unique, while the upstream plays `script`."""
        name = body["model"]
        self._scripts[name] = script
        try:
            return await running.call(path, body)
        finally:
            self._upstream.requests.clear()
            del self._scripts[name]
