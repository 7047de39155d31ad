"""The composition root: builds a process's parts from the settings, without a web framework."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from chat2response.api.admin.rules import AdminRules
from chat2response.api.admin.token_file import read_or_create
from chat2response.api.http.client_address import is_loopback
from chat2response.api.management.health import StoreHealth
from chat2response.api.management.status import About
from chat2response.compose.api import admin_rules
from chat2response.compose.keys import key_policy, peppers, prices
from chat2response.compose.keys import seal_keys as configured_seal_keys
from chat2response.compose.upstreams import (
    engine_options,
    profile_name,
    routes,
    transport_options,
    upstream_proxy,
)
from chat2response.engine.engine import Engine
from chat2response.keys.audit import Audit
from chat2response.keys.verifier import KeyVerifier
from chat2response.net.transport import HttpTransport, Transport
from chat2response.observe.metrics import Metrics
from chat2response.observe.redact import shown_url
from chat2response.quota.admission import Admission
from chat2response.quota.call_meter import Meters
from chat2response.quota.usage_log import UsageLog
from chat2response.settings import AuthMode, Settings, UpstreamMode
from chat2response.state.owners import Owners
from chat2response.state.sealing import Sealing
from chat2response.state.sealing import read_or_create as make_seal_keys
from chat2response.state.secret_file import SecretFile
from chat2response.stores import Store, open_store, shown_address
from chat2response.upstreams.http_upstream import HttpUpstream
from chat2response.wire.ids import Clock, Ids, new_id


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a gateway process."""

    settings: Settings
    store: Store
    keys: KeyVerifier
    engine: Engine
    transport: HttpTransport
    metrics: Metrics
    started_at: float
    clock: Clock
    admin: AdminRules
    about: About
    health: StoreHealth

    @property
    def usage(self) -> UsageLog:
        """The usage log."""
        return self.engine.meters.usage

    async def open(self) -> None:
        """Opens the store and starts the background tasks. Raises stores.CannotOpen."""
        await self.store.open()
        self.engine.meters.start()
        self.keys.start(self.engine.runs if self.settings.chat2response_keys_end_runs else None)

    async def close(self) -> None:
        """Closes connections and files."""
        await self.transport.close()
        await self.engine.meters.close()
        await self.keys.close()
        await self.store.close()


def compose(
    settings: Settings,
    *,
    store_url: str | None = None,
    admin_token: str | None = None,
    seal_keys: Sequence[str] = (),
    ids: Ids = new_id,
    clock: Clock = time.time,
) -> Services:
    """Builds the parts, without opening them. Raises ValueError if the address names no store.

    `admin_token`: from `ensure_admin_token`, if the settings have none. Without either, the admin plane
    serves this machine only.

    `seal_keys`: from `ensure_seal_keys`, if the settings have none. Without either, sealed reasoning can be
    opened only by this process.
    """
    pool_max = settings.chat2response_redis_pool_max
    store_url = store_url or settings.store_url
    store = open_store(store_url, clock=clock, redis_pool_max=pool_max)
    transport = _transport(settings)
    metrics = Metrics()
    audit = Audit(store, keep_days=settings.chat2response_audit_days, clock=clock)
    keys = KeyVerifier(
        store,
        key_policy(settings),
        clock=clock,
        peppers=peppers(settings),
        audit=audit,
        serve_stale=settings.chat2response_keys_serve_stale_seconds,
    )
    meters = Meters(
        Admission(store, prices(settings), clock=clock),
        UsageLog(store, keep_days=settings.chat2response_usage_days, clock=clock),
        keys.last_used,
    )
    sealing = Sealing(configured_seal_keys(settings) or seal_keys or (secrets.token_hex(32),))
    engine = Engine(
        routes(settings),
        HttpUpstream(transport),
        Owners(store),
        meters,
        metrics,
        ids,
        clock,
        engine_options(settings),
        sealing,
    )
    metrics.in_flight = engine.runs.__len__
    admin, about = admin_rules(settings, admin_token), _about(settings, shown_address(store_url))
    metrics.stale_checks = lambda: keys.stale_checks
    stale = settings.chat2response_keys_serve_stale_seconds
    health = StoreHealth(store, clock=clock, serves_stale=keys.serves_stale, stale_seconds=stale)
    return Services(settings, store, keys, engine, transport, metrics, clock(), clock, admin, about, health)


def _transport(settings: Settings) -> HttpTransport:
    if settings.upstream_mode is UpstreamMode.DEMO:
        from chat2response.upstreams.demo.transport import DemoTransport  # other modes start faster without

        return DemoTransport()
    return Transport(transport_options(settings, f"chat2response/{package_version()}"))


def ensure_admin_token(settings: Settings) -> SecretFile | None:
    """Reads or generates the admin token, if the admin plane listens beyond this machine and none is set.

    None if no token is needed. A server calls this first, prints a token that is new (`created`), and
    passes it to `compose`. Raises AdminTokenError.
    """
    if settings.chat2response_admin_token is not None or is_loopback(settings.admin_listen[0]):
        return None
    return read_or_create(settings.state_dir)


def ensure_seal_keys(settings: Settings) -> SecretFile | None:
    """Reads or generates the seal keys. None if the operator set some, or if there is no reasoning to seal.

    Raises SealKeyError.
    """
    if configured_seal_keys(settings) or not settings.speaks_chat:
        return None
    return make_seal_keys(settings.state_dir)


def _about(settings: Settings, store: str) -> About:
    mode, auth = settings.upstream_mode, settings.auth_mode
    keeps = mode in (UpstreamMode.RESPONSES, UpstreamMode.BOTH)
    features = {
        "api_keys": "on" if auth is AuthMode.MANAGED else "off",
        "stored_responses": "upstream" if keeps else "off",
        "losses": settings.chat2response_fidelity,
        "reasoning": settings.chat2response_reasoning,
        "upstream_profile": profile_name(settings) if settings.speaks_chat else "off",
    }
    proxy = upstream_proxy(settings)
    features["outbound_proxy"] = "off" if proxy is None else "on"
    details = {
        "upstream": "built in" if mode is UpstreamMode.DEMO else shown_url(settings.base_url),
        "outbound_proxy": "none" if proxy is None else str(proxy),
        "store": store,
    }
    needs_store = auth is not AuthMode.PASSTHROUGH
    return About(package_version(), mode.value, auth.value, features, details, needs_store)


def package_version() -> str:
    """The version of this package; `0` in a bare checkout."""
    try:
        return version("chat2response")
    except PackageNotFoundError:
        return "0"
