"""Command-line options that override settings, and the error that prevents a start. `--help` imports this."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StartOptions:
    """The options of a command; None means that the option was not set."""

    bind: str | None = None
    """`host:port`."""
    keys_backend: str | None = None
    """`memory`, `sqlite:<path>`, or the URL of a Redis."""
    env_file: Path | None = None
    workers: int | None = None
    host: str | None = None
    port: int | None = None


class CannotStart(Exception):
    """The settings are valid, but this machine prevents the start. The text says what to do."""
