"""Parses and checks single variables, as far as that needs no other folder.

Other checks (a profile's name, a Redis address, a list of networks) are in
`compose/checked_settings.py`.
"""

import re
import ssl
from pathlib import Path
from typing import Any

from pydantic import BeforeValidator, SecretStr

from chat2response.settings.types import LogLevel, SettingsError

ANY = "*"
"""Every origin, method or header."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s*]+")
_HTTP_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RUST_LEVELS: dict[str, LogLevel] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "error": "error",
    "off": "critical",
}


def upstream_mode(value: Any) -> Any:
    """The mode in lower case; `chat-completions` means `chat`."""
    text = str(value).strip().lower()
    return "chat" if text in ("chat-completions", "chat_completions") else text


def none_if_blank(value: Any) -> Any:
    """None for an empty variable: it counts as not set."""
    return None if isinstance(value, str) and not value.strip() else value


def one_line(value: SecretStr | None) -> SecretStr | None:
    """Checks that a header can carry the value. Raises ValueError."""
    if value is not None and not value.get_secret_value().strip().isprintable():
        raise ValueError("it contains a line break or another character that a header cannot carry")
    return value


def lower(value: Any) -> Any:
    """A text in lower case, without blanks around it."""
    return value.strip().lower() if isinstance(value, str) else value


def auth_mode(value: Any) -> Any:
    """The mode in lower case; `auto` if it is empty."""
    return lower(value) or "auto"


def log_level(value: Any) -> Any:
    """The level in lower case; `info` if it is empty."""
    return lower(value) or "info"


def fidelity(value: Any) -> Any:
    """The mode in lower case; `warn` if it is empty."""
    return lower(value) or "warn"


def rust_log_level(value: str) -> LogLevel | None:
    """The level in a filter of the Rust edition (`info,tower_http=debug`); its other parts do not apply."""
    directives = (directive.strip().lower() for directive in value.split(","))
    return next((_RUST_LEVELS[each] for each in directives if each in _RUST_LEVELS), None)


def comma_list(value: str | None) -> tuple[str, ...]:
    """The entries of a comma-separated list, without duplicates."""
    entries = (entry.strip() for entry in (value or "").split(","))
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def comma_list_or_any(value: str | None) -> tuple[str, ...]:
    """The entries of a comma-separated list; `*` if it is not set."""
    return comma_list(value or ANY)


def origin(text: str) -> str:
    """An origin in the form that browsers send. Raises ValueError."""
    origin = text.lower().rstrip("/")
    if origin not in (ANY, "null") and not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"CORS_ALLOWED_ORIGINS: {text!r} is not an origin; write https://app.example, or * alone"
        )
    return origin


def http_token(text: str) -> str:
    """The name of a method or a header. Raises ValueError."""
    if not _HTTP_TOKEN.fullmatch(text):
        raise ValueError(
            f"CORS_ALLOWED_METHODS, CORS_ALLOWED_HEADERS: {text!r} is not a name; write names with commas"
        )
    return text


def admin_listener(value: str | None) -> str | None:
    """`host:port` of the admin plane. Raises SettingsError."""
    if value is not None:
        listen_address(value, "CHAT2RESPONSE_ADMIN_BIND_ADDR")
    return value


def certificates(value: Path | None) -> Path | None:
    """A file of certificates in PEM form. Raises ValueError."""
    if value is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except OSError as error:  # includes ssl.SSLError
            reason = error.strerror or error
            raise ValueError(f"{value} contains no certificates in PEM form ({reason})") from None
    return value


def listen_address(text: str, name: str = "BIND_ADDR") -> tuple[str, int]:
    """Host and port of `host:port`, `:port` or `[::1]:port`. Raises SettingsError about `name`."""
    host, separator, port = text.strip().rpartition(":")
    if not separator or "/" in host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise SettingsError(f"{name} must be host:port, for example 127.0.0.1:8088, not {text!r}.")
    return host.strip("[]") or "0.0.0.0", int(port)


Blank = BeforeValidator(none_if_blank)
