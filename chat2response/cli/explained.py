"""What an operator can mend is said in a line, without a traceback; the exit code says what kind it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from chat2response.cli.choices import CannotStart

FAILED, WRONG_SETTINGS, CANNOT_START = 1, 2, 3


@contextmanager
def explained() -> Iterator[None]:
    """Around the work of a command: its errors end the process."""
    from chat2response.api.admin_token import AdminTokenError
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


def _end(error: Exception | str, code: int) -> None:
    click.echo(f"chat2response: {error}", err=True)
    raise SystemExit(code)
