"""`Engine.open(call)`: the whole story of a call, as a context.

    async with engine.open(call) as answer:
        ... answer.body, or answer.batches ...

Entering plans the way, asks the upstream and waits for its first word; it raises a BridgeError, which is an
HTTP status. Leaving, or failing to enter, closes the upstream. `stop(fault)` may be called at any moment, by
the client's hang-up, a revocation or a shutdown.
"""

import logging
from dataclasses import dataclass, field, replace

from chat2response.convert.losses import Fidelity
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.call import Call
from chat2response.engine.live_runs import LiveRuns
from chat2response.engine.plan import Plan, plans
from chat2response.engine.respond.choices import FanOut, choices_of, single
from chat2response.engine.run import Opening
from chat2response.observe.log_throttle import LogThrottle
from chat2response.observe.metrics import Metrics
from chat2response.quota.call_meter import Books
from chat2response.state.owners import Owners
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Upstream, UpstreamDialect
from chat2response.upstreams.routes import Routes, Surface
from chat2response.wire.ids import Clock, Ids

log = logging.getLogger("chat2response.engine")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`hold`: seconds the head waits for the upstream's first event. `reasoning`: its forced form.
    `fidelity`: what becomes of what cannot cross, where the client does not say. `max_output`: bytes that are
    kept of one answer.
    """

    hold: float = 2.0
    reasoning: ReasoningForm | None = None
    fidelity: Fidelity = "warn"
    max_output: int = MAX_OUTPUT


@dataclass(frozen=True, slots=True)
class Engine:
    """One per process."""

    routes: Routes
    upstreams: dict[UpstreamDialect, Upstream]
    owners: Owners
    books: Books
    metrics: Metrics
    ids: Ids
    clock: Clock
    options: EngineOptions = field(default_factory=EngineOptions)
    sealing: Sealing | None = None
    """What reasoning travels sealed with; None: it does not."""
    runs: LiveRuns = field(default_factory=LiveRuns)
    no_endpoint: LogThrottle = field(default_factory=lambda: LogThrottle(log, "the upstream: %s"))
    """Logs an upstream that lacks the endpoint it was asked for."""
    plans: dict[Surface, Plan] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plans", plans(self.routes))

    def open(self, call: Call) -> Opening | FanOut:
        """The call as a context; it is a live run, or several. Raises InvalidRequest."""
        choices = choices_of(call, self.plans[call.surface])
        if choices == 1:
            return Opening(self, call)
        one = single(call)
        call.body = b""
        return FanOut([Opening(self, replace(one)) for _ in range(choices)])
