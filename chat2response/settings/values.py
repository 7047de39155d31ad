"""What a single variable may say: its words, how they are read, and what is refused, by its name."""

import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from chat2response.api.admin.token_file import LEAST as LEAST_TOKEN
from chat2response.api.http.client_address import networks
from chat2response.api.http.cors import ANY
from chat2response.convert.quirks.profiles import profile
from chat2response.convert.quirks.quirks import Quirks, with_overrides
from chat2response.net.proxies import Proxy
from chat2response.observe.redact import login_in, shown_url
from chat2response.state.sealing import parse_keys
from chat2response.stores.redis import address as redis_address
from chat2response.upstreams.routes import SURFACES, Surface
from chat2response.wire.json import JSONError, decode

LogLevel = Literal["debug", "info", "warning", "error", "critical"]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s*]+")
_RUST_LEVELS: dict[str, LogLevel] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "error": "error",
    "off": "critical",
}
# `/models` and `/chat` alone may end a base (as on Azure AI); behind `/v1` they do not.
_ENDPOINT = re.compile(
    r"(/(?:chat/completions|completions|responses|messages|embeddings)|(?<=/v1)/(?:models|chat))/*$",
    re.IGNORECASE,
)
_LEAST_SECRET = 6  # characters
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class SettingsError(Exception):
    """The configuration cannot be used; the text tells the operator what to write."""


class AuthMode(StrEnum):
    """Whose key opens the door. `MANAGED`: ours, issued at `/keys`. `PASSTHROUGH`: the upstream's own,
    unchanged. `OPEN`: nobody's; all callers are one tenant.
    """

    MANAGED = "managed"
    PASSTHROUGH = "passthrough"
    OPEN = "open"


class UpstreamMode(StrEnum):
    """What the upstream speaks. `BOTH`: each dialect goes up as it is, `/proxy` as Responses."""

    RESPONSES = "responses"
    CHAT = "chat"
    BOTH = "both"
    DEMO = "demo"


def mode(value: Any) -> Any:
    """An upstream's mode; other words for `chat` are its too."""
    text = str(value).strip().lower()
    return "chat" if text in ("chat-completions", "chat_completions") else text


def blank(value: Any) -> Any:
    """An empty variable is one that is not set."""
    return None if isinstance(value, str) and not value.strip() else value


def web_address(value: str | None) -> str | None:
    """The base of an upstream's addresses. Raises ValueError."""
    if value is not None and value.strip()[:1] in ("'", '"'):
        raise ValueError("it has quotation marks around it: remove them")
    if value is not None and not value.strip().lower().startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://, for example https://api.openai.com/v1")
    if value is not None and not _is_base(value.strip()):
        raise ValueError("it is http(s)://host[:port]/path, with no query: https://api.openai.com/v1")
    if value is not None and (found := _ENDPOINT.search(value.strip())):
        base, endpoint = shown_url(value.strip()[: found.start()]), found[1].lower()
        raise ValueError(
            f"it names the endpoint {endpoint}; write the base {base} alone: the gateway adds the endpoint"
        )
    return value


def _is_base(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # a port that is none
        return False


def one_line(value: SecretStr | None) -> SecretStr | None:
    """What a header can carry. Raises ValueError."""
    if value is not None and not value.get_secret_value().strip().isprintable():
        raise ValueError("it holds a line break or another character that no header can carry")
    return value


def admin_token(value: SecretStr | None) -> SecretStr | None:
    """A token that nobody can guess. Raises ValueError."""
    if value is not None and len(value.get_secret_value().strip()) < LEAST_TOKEN:
        raise ValueError(
            f"it has fewer than {LEAST_TOKEN} characters, so it could be guessed; take a random one, "
            "for example what `openssl rand -hex 32` prints"
        )
    return one_line(value)


def _word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def auth(value: Any) -> Any:
    """A word in lower case; `auto` where it is empty."""
    return _word(value) or "auto"


def level(value: Any) -> Any:
    """A word in lower case; `info` where it is empty."""
    return _word(value) or "info"


def rust_level(value: str) -> LogLevel | None:
    """The level in a filter of the Rust edition (`info,tower_http=debug`), whose parts are not ours."""
    said = (directive.strip().lower() for directive in value.split(","))
    return next((_RUST_LEVELS[word] for word in said if word in _RUST_LEVELS), None)


def fidelity(value: Any) -> Any:
    """A mode; an empty one is that of old."""
    return _word(value) or "warn"


def words(value: str | None) -> tuple[str, ...]:
    """The words of a comma list, each once."""
    words = (word.strip() for word in (value or "").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def listed(value: str | None) -> tuple[str, ...]:
    """The same; `*` where it is not set."""
    return words(value or ANY)


def origin(word: str) -> str:
    """As a browser writes it. Raises ValueError."""
    origin = word.lower().rstrip("/")
    if origin not in (ANY, "null") and not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"CORS_ALLOWED_ORIGINS: {word!r} is no origin; write https://app.example, or * alone"
        )
    return origin


def token(word: str) -> str:
    """A method or a header's name. Raises ValueError."""
    if not _TOKEN.fullmatch(word):
        raise ValueError(
            f"CORS_ALLOWED_METHODS, CORS_ALLOWED_HEADERS: {word!r} is no name; write a comma list"
        )
    return word


def known_profile(value: str | None) -> str | None:
    """The name of a profile. Raises ValueError."""
    if value is not None:
        value = value.strip().lower()
        profile(value)
    return value


def known_quirks(value: str | None) -> str | None:
    """A JSON object of quirks. Raises ValueError."""
    if value is not None:
        with_overrides(Quirks(), json_object(value))
    return value


def seal_keys(value: SecretStr | None) -> SecretStr | None:
    """Keys for what travels sealed. Raises ValueError."""
    if value is not None:
        parse_keys(value.get_secret_value())
    return value


def json_object(text: str) -> dict[str, Any]:
    """A JSON object. Raises ValueError."""
    example = 'write a JSON object, for example {"developer_role": true}'
    try:
        value = decode(text)
    except JSONError as error:
        raise ValueError(f"it is no JSON ({error}); {example}") from None
    if type(value) is not dict:
        raise ValueError(example)
    return value


def redis(value: Any) -> Any:
    """Checked here, so that what is no Redis is refused by this variable's name, and never shown."""
    if isinstance(value, str):
        redis_address.check(value.strip())
    return value


def network_list(value: str | None) -> str | None:
    """A comma list of networks. Raises ValueError."""
    if value is not None:
        networks(value)
    return value


def listener(value: str | None) -> str | None:
    """`host:port` of the admin plane. Raises SettingsError."""
    if value is not None:
        listen_address(value, "CHAT2RESPONSE_ADMIN_BIND_ADDR")
    return value


def secret_parts(text: str) -> Iterator[str]:
    """A secret as it may be met. What is very short could not be masked without making holes everywhere."""
    return (form for form in (text,) if len(form) >= _LEAST_SECRET)


def secret_parts_of_url(url: str) -> Iterator[str]:
    """Of a URL that may hold a login: its password, as written, decoded, and in a header. Not its host."""
    user, password, options = login_in(url)
    secret = password or user  # a login may be a token alone
    forms = [secret, unquote(secret), *options, *map(unquote, options)]
    if secret:
        login = f"{unquote(user)}:{unquote(password)}"
        forms.append(b64encode(login.encode()).decode("ascii"))
    return (form for form in forms if len(form) >= _LEAST_SECRET)


def certificates(value: Path | None) -> Path | None:
    """A file of certificates. Raises ValueError."""
    if value is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except OSError as error:  # ssl.SSLError is one
            why = error.strerror or error
            raise ValueError(f"{value} holds no certificates in PEM form ({why})") from None
    return value


def listen_address(text: str, name: str = "BIND_ADDR") -> tuple[str, int]:
    """`host:port`, `:port`, `[::1]:port`. Raises SettingsError, which says `name`."""
    host, separator, port = text.strip().rpartition(":")
    if not separator or "/" in host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise SettingsError(f"{name} is host:port, for example 127.0.0.1:8088, not {text!r}.")
    return host.strip("[]") or "0.0.0.0", int(port)


def proxy_of(name: str, url: SecretStr | None) -> Proxy | None:
    """The proxy that the variable `name` names. Raises SettingsError."""
    try:
        return None if url is None else Proxy.of(url.get_secret_value().strip())
    except ValueError as error:
        told = f"{name}: {error}. CHAT2RESPONSE_NO_PROXY=1 lets the gateway use none."
        raise SettingsError(told) from None


def by_surface(value: str | None) -> str | None:
    """Seconds, for all surfaces or for each: `15`, `chat=5, responses=30`, `15, proxy=0`."""
    if value is not None:
        seconds(value, {})
    return value


def seconds(text: str | None, default: Mapping[Surface, float]) -> dict[Surface, float]:
    """The seconds of each surface, over `default`. Raises ValueError."""
    found: dict[Surface, float] = dict(default)
    named: dict[Surface, float] = {}
    for word in words(text):
        surface, separator, number = word.rpartition("=")
        if separator and surface.strip() not in SURFACES:
            known = ", ".join(SURFACES)
            raise ValueError(
                f"{surface.strip()!r} is no surface; write one number, or surface=number ({known})"
            )
        try:
            given = float(number)
        except ValueError:
            given = -1.0
        if not 0 <= given < float("inf"):
            raise ValueError(f"{number.strip()!r} is no number of seconds (0: never)")
        if separator:
            named[surface.strip()] = given  # type: ignore[index]
        else:
            found = dict.fromkeys(SURFACES, given)
    return {**found, **named}


Blank = BeforeValidator(blank)
Networks = Annotated[str | None, Blank, AfterValidator(network_list)]
