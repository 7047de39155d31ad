"""`EngineParts`: what all calls of a process share."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chat2response.convert.losses import Fidelity
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.live_runs import LiveRuns
from chat2response.observe.log_throttle import LogThrottle
from chat2response.observe.metrics import Metrics
from chat2response.quota.call_meter import Meters
from chat2response.state.owners import Owners
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Upstream
from chat2response.upstreams.routes import Routes
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response

log = logging.getLogger("chat2response.engine")

Keep = Callable[[str | None, Response], Awaitable[None]]
"""Stores a finished response of a tenant; returns once that is durable. Raises StoreDown."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`first_event_timeout`: seconds that the response's head waits for the upstream's first event.

    `reasoning`: the form that is forced on reasoning, if any. `fidelity`: the default treatment of losses.
    `max_output`: the bytes that one answer may take in memory.
    """

    first_event_timeout: float = 2.0
    reasoning: ReasoningForm | None = None
    fidelity: Fidelity = "warn"
    max_output: int = MAX_OUTPUT


@dataclass(frozen=True, slots=True)
class EngineParts:
    """The parts of the engine; there is one set in a process."""

    routes: Routes
    upstream: Upstream
    owners: Owners
    meters: Meters
    metrics: Metrics
    ids: Ids
    clock: Clock
    options: EngineOptions = field(default_factory=EngineOptions)
    sealing: Sealing | None = None
    """Seals reasoning that travels through clients; None: no sealing."""
    keep: Keep | None = None
    """Stores finished responses before their terminal event passes; None: nothing is stored."""
    runs: LiveRuns = field(default_factory=LiveRuns)
    log_missing_endpoint: LogThrottle = field(default_factory=lambda: LogThrottle(log, "the upstream: %s"))
    """Logs an upstream that lacks the requested endpoint."""
