"""`Policy`: how conversions treat what cannot be carried over. The operator sets it."""

from dataclasses import dataclass
from typing import Literal

Hosted = Literal["drop", "refuse"]
Orphans = Literal["refuse", "repair"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices; the values here are the defaults."""

    hosted: Hosted = "drop"
    """A hosted tool that the backend does not have: dropped with a loss, or a 400."""
    orphans: Orphans = "refuse"
    """A call without an output, or an output without a call: a 400, or repaired with a loss."""


DEFAULT_POLICY = Policy()
