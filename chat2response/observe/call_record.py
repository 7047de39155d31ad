"""`CallRecord`: what one call was. Metrics, the access log and everything else that reports calls read it."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

_MAX_MODEL_LENGTH = 200  # characters


class CallRecord:
    """Times are those of `perf_counter`, in seconds; 0: not reached."""

    __slots__ = (
        "cut_by", "ended_at", "first_content_at", "head_at", "key", "losses", "model", "outcome",
        "started_at", "status", "surface", "target", "usage",
    )  # fmt: skip

    def __init__(self, surface: str, target: str, key: str | None = None) -> None:
        self.surface = surface
        self.target = target
        """The name of the upstream's target."""
        self.key = key
        """The tenant: the key's id, if the gateway issues keys."""
        self.model: str | None = None
        """The requested model, cut if it is long."""
        self.status = 0
        """The HTTP status of the answer; 0: none yet."""
        self.outcome = "error"
        """How the call ended: completed, incomplete, failed, error (an HTTP status), or a fault's cause."""
        self.cut_by: str | None = None
        """The cause of the fault that stopped it, if one did: cancel, timeout, revoked, drain, reset ..."""
        self.usage: Mapping[str, Any] | None = None
        """The usage that the upstream reported."""
        self.losses: list[str] = []
        """The fields of the request and of the answer that were lost."""
        self.started_at = perf_counter()
        self.head_at = 0.0
        """When the answer's head was ready to be sent."""
        self.first_content_at = 0.0
        """When the first piece of the model's output arrived, in a stream."""
        self.ended_at = 0.0

    def note_model(self, model: object) -> None:
        """Stores the `model` of the body, which may be any JSON value."""
        self.model = model[:_MAX_MODEL_LENGTH] if type(model) is str else None if model is None else "?"
