"""Shows settings: which texts are secret, and which values are in effect."""

from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import unquote

from pydantic import SecretStr

from chat2response.observe.redact import masked_url, secret_parts_of_url
from chat2response.settings import URLS, Settings
from chat2response.settings.docs import environment_text

_MIN_MASKED_LENGTH = 6  # characters; masking shorter texts would mask ordinary words


def secrets(settings: Settings) -> tuple[str, ...]:
    """Every text that must not be printed, the longest first: secret settings, and logins in addresses."""
    parts: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name in URLS:
            parts.update(_secrets_of_url(settings.url(name) or ""))
        elif isinstance(value, SecretStr):
            parts.add(value.get_secret_value().strip())
    return tuple(sorted((each for each in parts if len(each) >= _MIN_MASKED_LENGTH), key=len, reverse=True))


def effective(settings: Settings) -> Iterator[str]:
    """A line of a `.env` file for each variable: defaults commented out, secrets hidden.

    In an address only the password is hidden.
    """
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name in URLS and (url := settings.url(name)) is not None:
            value = masked_url(url)
        line = f"{name.upper()}={'[set]' if isinstance(value, SecretStr) else environment_text(value)}"
        yield line if name in settings.model_fields_set and value is not None else f"#{line}"


def _secrets_of_url(url: str) -> Iterator[str]:
    """A URL's password as written, decoded, and as a header carries it. Never its host."""
    user, password, options = secret_parts_of_url(url)
    secret = password or user  # a login may be a token alone
    yield from (secret, unquote(secret), *options, *map(unquote, options))
    if secret:
        login = f"{unquote(user)}:{unquote(password)}"
        yield b64encode(login.encode()).decode("ascii")
