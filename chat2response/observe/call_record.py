"""`CallRecord`: what one call was. Metrics, the access log and everything else that reports calls read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

_MAX_MODEL_LENGTH = 200  # characters


@dataclass(slots=True)  # not frozen: it is filled while the call runs
class CallRecord:
    """Times are those of `perf_counter`, in seconds; 0: not reached."""

    surface: str
    target: str
    """The name of the upstream's target."""
    key: str | None = None
    """The tenant: the key's id, if the gateway issues keys."""
    model: str | None = None
    """The requested model, cut if it is long."""
    status: int = 0
    """The HTTP status of the answer; 0: none yet."""
    outcome: str = "error"
    """How the call ended: completed, incomplete, failed, error (an HTTP status), or a fault's cause."""
    cut_by: str | None = None
    """The cause of the fault that stopped it, if one did: cancel, timeout, revoked, drain, reset ..."""
    usage: Mapping[str, Any] | None = None
    """The usage that the upstream reported."""
    losses: list[str] = field(default_factory=list)
    """The fields of the request and of the answer that were lost."""
    started_at: float = field(default_factory=perf_counter)
    head_at: float = 0.0
    """When the answer's head was ready to be sent."""
    first_content_at: float = 0.0
    """When the first piece of the model's output arrived, in a stream."""
    ended_at: float = 0.0

    def note_model(self, model: object) -> None:
        """Stores the `model` of the body, which may be any JSON value."""
        self.model = model[:_MAX_MODEL_LENGTH] if type(model) is str else None if model is None else "?"
