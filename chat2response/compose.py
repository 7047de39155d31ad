"""The composition root: settings to running parts, without a web framework. The CLI uses it too."""

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from chat2response.engine.engine import Engine
from chat2response.keys.ring import KeyRing
from chat2response.net.transport import Transport
from chat2response.observe.metrics import Metrics
from chat2response.settings import Settings
from chat2response.state.owners import Owners
from chat2response.stores import Store, open_store
from chat2response.upstreams.base import Upstream, UpstreamDialect
from chat2response.upstreams.chat import ChatUpstream
from chat2response.upstreams.demo import DemoUpstream
from chat2response.upstreams.responses import ResponsesUpstream
from chat2response.wire.ids import Clock, Ids, new_id


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a process of the gateway is made of."""

    settings: Settings
    store: Store
    keys: KeyRing
    engine: Engine
    transport: Transport
    metrics: Metrics
    started_at: float
    clock: Clock

    async def open(self) -> None:
        """Makes the store ready. Raises stores.CannotOpen."""
        await self.store.open()

    async def close(self) -> None:
        """Lets go of connections and files."""
        await self.transport.close()
        await self.store.close()


def compose(
    settings: Settings, *, store_url: str | None = None, ids: Ids = new_id, clock: Clock = time.time
) -> Services:
    """The parts, not opened yet. Raises ValueError for an address that names no store."""
    store = open_store(store_url or settings.store_url, clock=clock)
    transport = Transport(settings.transport(f"chat2response/{package_version()}"))
    metrics = Metrics()
    upstreams: dict[UpstreamDialect, Upstream] = {
        "chat": ChatUpstream(transport),
        "responses": ResponsesUpstream(transport),
        "demo": DemoUpstream(),
    }
    engine = Engine(settings.routes(), upstreams, Owners(store), metrics, ids, clock, settings.engine())
    metrics.in_flight = engine.runs.__len__
    keys = KeyRing(store, settings.key_policy(), clock=clock)
    return Services(settings, store, keys, engine, transport, metrics, clock(), clock)


def package_version() -> str:
    """Ours."""
    try:
        return version("chat2response")
    except PackageNotFoundError:  # run from a bare checkout
        return "0"
