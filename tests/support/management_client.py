"""The management application alone, and a client with any peer address."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from chat2response.api.admin.rules import AdminRules
from chat2response.api.management.application import build_management
from chat2response.api.management.health import StoreHealth
from chat2response.api.management.status import About
from chat2response.app import Gateway
from chat2response.keys import KeyPolicy, KeyService, KeyVerifier
from chat2response.observe.metrics import Metrics
from chat2response.quota.usage_log import UsageLog
from chat2response.settings import Settings
from chat2response.stores import MemoryStore, Store
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts

ABOUT = About("1.2.3", "chat", "managed", {"api_keys": "on"})
HERE = "127.0.0.1"
ELSEWHERE = "192.0.2.7"


@dataclass
class Parts:
    """The part of `compose.Services` that the management plane uses."""

    store: Store
    keys: KeyService
    verifier: KeyVerifier
    usage: UsageLog
    clock: Clock
    health: StoreHealth
    metrics: Metrics = field(default_factory=Metrics)
    admin: AdminRules = field(default_factory=AdminRules)
    about: About = ABOUT
    started_at: float = 0.0

    @classmethod
    def over(cls, store: Store, clock: Clock, policy: KeyPolicy | None = None, **more: Any) -> "Parts":
        keys, verifier = key_parts(store, policy, clock=clock)
        usage = UsageLog(store, keep_days=90, clock=clock)
        health = StoreHealth(store, clock=clock)
        return cls(store, keys, verifier, usage, clock, health, started_at=clock(), **more)

    @classmethod
    def plain(cls, policy: KeyPolicy | None = None, **more: Any) -> "Parts":
        """Parts with a memory store and a clock of their own."""
        clock = Clock()
        return cls.over(MemoryStore(clock=clock), clock, policy, **more)


def settings(**values: Any) -> Settings:
    """Settings with these values."""
    return Settings(**values)


def client_of(app: FastAPI | Gateway, peer: str | None = HERE, **more: Any) -> httpx.AsyncClient:
    """A client whose requests arrive from `peer`."""
    # httpx names a peer in every scope; one without is a Unix socket's.
    transport = httpx.ASGITransport(app, client=(peer, 50_000) if peer else None)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8088", **more)


def client(parts: Parts, peer: str | None = HERE, **more: Any) -> httpx.AsyncClient:
    """A client of a new application."""
    return client_of(build_management(parts), peer, **more)
