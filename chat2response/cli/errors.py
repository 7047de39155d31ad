"""What an operator can mend is said in a line, without a traceback; the exit code says what kind it is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from chat2response.server.start_options import CannotStart

_TOKEN = re.compile(r"(sk_\w*\.)[^\s'\"(),]+")

FAILED, WRONG_SETTINGS, CANNOT_START = 1, 2, 3

EXIT_CODES = """\b
Exit codes:
  0  done; of a gateway: it was told to stop, and did
  1  what was asked for failed or was refused (no such key, "no" to a question)
  2  options or settings that cannot be used
  3  not on this machine, or not now (a port is taken, the store is away)"""
"""What every help ends with."""


@contextmanager
def explained() -> Iterator[None]:
    """Around the work of a command: its errors end the process."""
    from chat2response.api.admin.token_file import AdminTokenError
    from chat2response.errors import BridgeError
    from chat2response.settings import SettingsError
    from chat2response.state.sealing import SealKeyError
    from chat2response.stores import CannotOpen, StoreDown

    try:
        yield
    except SettingsError as error:
        _end(error, WRONG_SETTINGS)
    except (AdminTokenError, SealKeyError, CannotOpen, CannotStart) as error:
        _end(error, CANNOT_START)
    except StoreDown as error:
        _end(f"{error.message}: {error.internal}", CANNOT_START)
    except BridgeError as error:
        _end(error.message, FAILED)


def masked(text: str) -> str:
    """A line about what was typed, without a token that stood in it, whole or not."""
    from chat2response.observe.redact import redact

    return redact(_TOKEN.sub(r"\1[secret]", text))


def _end(error: Exception | str, code: int) -> None:
    click.echo(f"chat2response: {masked(str(error))}", err=True)
    raise SystemExit(code)
