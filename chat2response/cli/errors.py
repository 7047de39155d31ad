"""Reports errors that the operator can fix: one line without a traceback, and an exit code for its kind."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from chat2response.server.start_options import CannotStart

_TOKEN = re.compile(r"(sk_\w*\.)[^\s'\"(),]+")

FAILED, WRONG_SETTINGS, CANNOT_START = 1, 2, 3

EXIT_CODES = """\b
Exit codes:
  0  success; for a gateway: a signal stopped it
  1  the command failed or was refused (no such key, "no" to a question)
  2  invalid options or settings
  3  cannot run on this machine, or not now (port in use, store unreachable)"""
"""The last lines of every `--help`."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Prints the errors of a command, and ends the process with their exit code."""
    from chat2response.api.admin.token_file import AdminTokenError
    from chat2response.errors import BridgeError
    from chat2response.settings import SettingsError
    from chat2response.state.sealing import SealKeyError
    from chat2response.stores import CannotOpen, StoreDown

    try:
        yield
    except SettingsError as error:
        _exit(error, WRONG_SETTINGS)
    except (AdminTokenError, SealKeyError, CannotOpen, CannotStart) as error:
        _exit(error, CANNOT_START)
    except StoreDown as error:
        _exit(f"{error.message}: {error.internal}", CANNOT_START)
    except BridgeError as error:
        _exit(error.message, FAILED)


def mask_tokens(text: str) -> str:
    """The text with the secret of every token, complete or cut off, replaced by `[secret]`."""
    from chat2response.observe.redact import redact

    return redact(_TOKEN.sub(r"\1[secret]", text))


def _exit(error: Exception | str, code: int) -> None:
    click.echo(f"chat2response: {mask_tokens(str(error))}", err=True)
    raise SystemExit(code)
