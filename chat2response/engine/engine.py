"""`Engine.open(call)`: runs one call as an async context.

    async with engine.open(call) as answer:
        ... answer.body, or answer.batches ...

Entering chooses the plan, calls the upstream and waits for its first event; it raises a BridgeError, which
becomes an HTTP status. Leaving, or failing to enter, closes the upstream. `stop(fault)` may be called at any
moment: on a disconnect, a revocation or a shutdown.
"""

import logging
from dataclasses import dataclass, field, replace

from chat2response.convert.losses import Fidelity
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.call import Call
from chat2response.engine.live_runs import LiveRuns
from chat2response.engine.plan import Plan, plans
from chat2response.engine.respond.choices import MultiChoiceRun, choices_of, with_one_choice
from chat2response.engine.run import CallRun
from chat2response.observe.log_throttle import LogThrottle
from chat2response.observe.metrics import Metrics
from chat2response.quota.call_meter import Meters
from chat2response.state.owners import Owners
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Upstream, UpstreamDialect
from chat2response.upstreams.routes import Routes, Surface
from chat2response.wire.ids import Clock, Ids

log = logging.getLogger("chat2response.engine")


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
class Engine:
    """The engine of a process; there is one."""

    routes: Routes
    upstreams: dict[UpstreamDialect, Upstream]
    owners: Owners
    meters: Meters
    metrics: Metrics
    ids: Ids
    clock: Clock
    options: EngineOptions = field(default_factory=EngineOptions)
    sealing: Sealing | None = None
    """Seals reasoning that travels through clients; None: no sealing."""
    runs: LiveRuns = field(default_factory=LiveRuns)
    log_missing_endpoint: LogThrottle = field(default_factory=lambda: LogThrottle(log, "the upstream: %s"))
    """Logs an upstream that lacks the requested endpoint."""
    plans: dict[Surface, Plan] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plans", plans(self.routes))

    def open(self, call: Call) -> CallRun | MultiChoiceRun:
        """The call as a context: one run, or one for each choice. Raises InvalidRequest."""
        choices = choices_of(call, self.plans[call.surface])
        if choices == 1:
            return CallRun(self, call)
        single_call = with_one_choice(call)
        call.body = b""
        return MultiChoiceRun([CallRun(self, replace(single_call)) for _ in range(choices)])
