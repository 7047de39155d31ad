"""`Quirks`: how one Chat backend differs from the next, as data (law 11)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a Chat target takes. The defaults suit a current OpenAI-compatible server."""

    max_tokens: str = "max_completion_tokens"
    """The name of the output limit."""
    developer_role: bool = True
    """Whether role `developer` is taken; else it is sent as `system`, in its place."""
    reasoning_field: str = "reasoning_content"
    """Where an assistant message carries its reasoning, both ways."""
    reasoning_echo: Literal["with_tools", "always", "never"] = "with_tools"
    """Which assistant messages of the history get their reasoning back: those with tool calls, all, none."""


OPENAI_COMPATIBLE = Quirks()
