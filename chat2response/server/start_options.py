"""What the command line says over the settings, and what stops a start. Light: `--help` loads this."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a command; None where one was not given."""

    bind: str | None = None
    """`host:port`."""
    keys_backend: str | None = None
    """`memory`, `sqlite:<path>`, or the URL of a Redis."""
    env_file: Path | None = None
    workers: int | None = None
    host: str | None = None
    port: int | None = None


class CannotStart(Exception):
    """The settings are right, but the machine does not allow it; the text tells the operator what to do."""
