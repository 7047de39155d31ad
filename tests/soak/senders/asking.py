"""An upstream that answers each call with the script that the call asked for."""

from typing import Any

from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.soak.gateway import Gateway
from tests.support.soak.raw_http import Answer


class Asking:
    """Calls a gateway; the model's name in a request leads the upstream to that call's script."""

    def __init__(self, upstream: ScriptedUpstream, upstream_path: str) -> None:
        self._upstream = upstream
        self._scripts: dict[str, Script] = {}
        upstream.play_for(upstream_path, lambda received: self._scripts[received.json()["model"]])

    async def ask(self, running: Gateway, path: str, body: dict[str, Any], script: Script) -> Answer:
        """The answer to `body`, which names a model of its own, where the upstream plays `script`."""
        name = body["model"]
        self._scripts[name] = script
        try:
            return await running.call(path, body)
        finally:
            self._upstream.requests.clear()
            del self._scripts[name]
