"""`Policy`: what the operator wants done with what cannot be carried over as it is."""

from dataclasses import dataclass
from typing import Literal

Hosted = Literal["drop", "refuse"]
Orphans = Literal["refuse", "repair"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The defaults of every conversion."""

    hosted: Hosted = "drop"
    """A tool that runs at its vendor, toward a backend that has none: dropped with a loss, or a 400."""
    orphans: Orphans = "refuse"
    """A call without an output, or an output without a call: a 400, or put right with a loss."""


DEFAULT_POLICY = Policy()

ReasoningForm = Literal["summary", "content", "hide"]
"""Where reasoning goes in a response: `summary` parts, raw `content`, or nowhere."""
