"""The only reader of the environment: variables, and a `.env` file, become options of each floor.

Read once, at start (law 13). A `CHAT2RESPONSE_*` variable that is not known is an error that names the
nearest one; those an orchestrator injects for a service of our name (`CHAT2RESPONSE_SERVICE_*`,
`CHAT2RESPONSE_PORT*`) are let be.
"""

import difflib
import os
import re
import ssl
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat2response.api.addresses import LOOPBACK, Network, networks
from chat2response.api.admin import AdminRules
from chat2response.api.cors import ANY, CorsOptions
from chat2response.convert.profiles import GENERIC, profile
from chat2response.convert.profiles import OPENAI as OPENAI_PROFILE
from chat2response.convert.quirks import Quirks, with_overrides
from chat2response.engine.engine import EngineOptions
from chat2response.keys.policy import KeyPolicy
from chat2response.keys.prices import Prices, PricesError, read_prices
from chat2response.net.place import Place
from chat2response.net.proxies import Bypass, Proxies, Proxy
from chat2response.net.transport import TransportOptions
from chat2response.state.sealing import split_keys
from chat2response.stores import redis_address
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Routes
from chat2response.wire.json import JSONError, decode

OPENAI = "https://api.openai.com/v1"
_OPENAI_HOST = urlsplit(OPENAI).hostname
_PREFIX = "CHAT2RESPONSE_"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s*]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_INJECTED = ("CHAT2RESPONSE_SERVICE_", "CHAT2RESPONSE_PORT")
_GONE = {
    "CHAT2RESPONSE_SLED_PATH": "sled is not kept here: write CHAT2RESPONSE_SQLITE_PATH=<path of a new file>"
    " or CHAT2RESPONSE_REDIS_URL in its place",
}
"""Settings of the Rust edition that mean nothing any more, and what to write instead."""


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


def _mode(value: Any) -> Any:
    text = str(value).strip().lower()
    return "chat" if text in ("chat-completions", "chat_completions") else text


def _blank(value: Any) -> Any:
    """An empty variable is one that is not set."""
    return None if isinstance(value, str) and not value.strip() else value


def _web_address(value: str | None) -> str | None:
    if value is not None and not value.strip().lower().startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://, for example https://api.openai.com/v1")
    if value is not None and not _is_base(value.strip()):
        raise ValueError("it is http(s)://host[:port]/path, with no query: https://api.openai.com/v1")
    return value


def _is_base(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # a port that is none
        return False


def _one_line(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().strip().isprintable():
        raise ValueError("it holds a line break or another character that no header can carry")
    return value


def _word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _auth(value: Any) -> Any:
    return _word(value) or "auto"


def _level(value: Any) -> Any:
    return _word(value) or "info"


def _words(value: str | None) -> tuple[str, ...]:
    """The words of a comma list, each once."""
    words = (word.strip() for word in (value or "").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _listed(value: str | None) -> tuple[str, ...]:
    """The same; `*` where it is not set."""
    return _words(value or ANY)


def _origin(word: str) -> str:
    """As a browser writes it. Raises ValueError."""
    origin = word.lower().rstrip("/")
    if origin not in (ANY, "null") and not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"CORS_ALLOWED_ORIGINS: {word!r} is no origin; write https://app.example, or * alone"
        )
    return origin


def _token(word: str) -> str:
    """A method or a header's name. Raises ValueError."""
    if not _TOKEN.fullmatch(word):
        raise ValueError(
            f"CORS_ALLOWED_METHODS, CORS_ALLOWED_HEADERS: {word!r} is no name; write a comma list"
        )
    return word


def _profile(value: str | None) -> str | None:
    if value is not None:
        value = value.strip().lower()
        profile(value)
    return value


def _quirks(value: str | None) -> str | None:
    if value is not None:
        with_overrides(Quirks(), _json_object(value))
    return value


def _seal_keys(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        split_keys(value.get_secret_value())
    return value


def _json_object(text: str) -> dict[str, Any]:
    example = 'write a JSON object, for example {"developer_role": true}'
    try:
        value = decode(text)
    except JSONError as error:
        raise ValueError(f"it is no JSON ({error}); {example}") from None
    if type(value) is not dict:
        raise ValueError(example)
    return value


def _redis(value: Any) -> Any:
    """Checked here, so that what is no Redis is refused by this variable's name, and never shown."""
    if isinstance(value, str):
        redis_address.check(value.strip())
    return value


def _networks(value: str | None) -> str | None:
    if value is not None:
        networks(value)
    return value


def _listener(value: str | None) -> str | None:
    if value is not None:
        listen_address(value, "CHAT2RESPONSE_ADMIN_BIND_ADDR")
    return value


def _certificates(value: Path | None) -> Path | None:
    if value is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except OSError as error:  # ssl.SSLError is one
            why = error.strerror or error
            raise ValueError(f"{value} holds no certificates in PEM form ({why})") from None
    return value


Blank = BeforeValidator(_blank)
Networks = Annotated[str | None, Blank, AfterValidator(_networks)]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class Settings(BaseSettings):
    """Every setting, under the name of its variable in lower case."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True, case_sensitive=False
    )

    openai_base_url: Annotated[str | None, Blank, AfterValidator(_web_address)] = None
    openai_api_key: Annotated[SecretStr | None, Blank, AfterValidator(_one_line)] = None
    upstream_mode: Annotated[UpstreamMode, BeforeValidator(_mode)] = Field(
        UpstreamMode.RESPONSES, validation_alias=AliasChoices("UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM")
    )
    chat2response_upstream_model: Annotated[str | None, Blank] = None
    chat2response_upstream_profile: Annotated[str | None, Blank, AfterValidator(_profile)] = None
    chat2response_seal_key: Annotated[SecretStr | None, Blank, AfterValidator(_seal_keys)] = None
    chat2response_quirks: Annotated[str | None, Blank, AfterValidator(_quirks)] = None
    bind_addr: str = "0.0.0.0:8088"
    chat2response_auth_mode: Annotated[
        Literal["auto", "managed", "passthrough", "open"], BeforeValidator(_auth)
    ] = "auto"
    cors_allowed_origins: Annotated[str | None, Blank] = ANY
    cors_allowed_methods: Annotated[str | None, Blank] = ANY
    cors_allowed_headers: Annotated[str | None, Blank] = ANY
    cors_allow_credentials: bool = False
    cors_max_age: int = Field(3600, ge=0)
    chat2response_sqlite_path: Path = Path("data/keys.db")
    chat2response_redis_url: Annotated[SecretStr | None, BeforeValidator(_redis), Blank] = None
    chat2response_redis_pool_max: int = Field(16, ge=1)
    chat2response_state_dir: Annotated[Path | None, Blank] = None
    chat2response_admin_token: Annotated[SecretStr | None, Blank] = None
    chat2response_admin_allow: Networks = None
    chat2response_admin_hosts: Annotated[str | None, Blank] = None
    chat2response_admin_bind_addr: Annotated[str | None, Blank, AfterValidator(_listener)] = None
    chat2response_trusted_proxies: Networks = None
    chat2response_keys_require_expiration: bool = True
    chat2response_keys_allow_no_expiration: bool = False
    chat2response_keys_default_ttl_seconds: int = Field(86400, ge=0)
    chat2response_prices_file: Annotated[Path | None, Blank] = None
    chat2response_usage_days: int = Field(90, ge=1, le=3660)
    chat2response_http_timeout_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)
    chat2response_connect_timeout_seconds: float = Field(10.0, gt=0, allow_inf_nan=False)
    chat2response_proxy_url: Annotated[SecretStr | None, Blank] = None
    http_proxy: Annotated[SecretStr | None, Blank] = None
    https_proxy: Annotated[SecretStr | None, Blank] = None
    all_proxy: Annotated[SecretStr | None, Blank] = None
    no_proxy: Annotated[str | None, Blank] = None
    chat2response_no_proxy: bool = False
    chat2response_ca_file: Annotated[Path | None, Blank, AfterValidator(_certificates)] = None
    chat2response_drain_seconds: float = Field(600.0, ge=0, allow_inf_nan=False)
    chat2response_max_body_bytes: int = Field(64 * 1024 * 1024, ge=1024)
    chat2response_log_level: Annotated[LogLevel, BeforeValidator(_level)] = "info"
    chat2response_reasoning: Literal["auto", "summary", "content", "hide"] = "auto"

    # -- what the floors are given -------------------------------------------------------------------

    @property
    def auth_mode(self) -> AuthMode:
        """The one asked for; of `auto`, managed when we have a key for the upstream, or it is the demo."""
        if self.chat2response_auth_mode != "auto":
            return AuthMode(self.chat2response_auth_mode)
        managed = self.openai_api_key is not None or self.upstream_mode is UpstreamMode.DEMO
        return AuthMode.MANAGED if managed else AuthMode.PASSTHROUGH

    @property
    def base_url(self) -> str:
        """The upstream's address, without a slash at its end."""
        return (self.openai_base_url or OPENAI).strip().rstrip("/")

    @property
    def profile(self) -> str:
        """The name of the Chat upstream's profile: the one asked for, else by its address."""
        if self.chat2response_upstream_profile is not None:
            return self.chat2response_upstream_profile
        return OPENAI_PROFILE if urlsplit(self.base_url).hostname == _OPENAI_HOST else GENERIC

    @property
    def quirks(self) -> Quirks:
        """That profile, with the operator's own fields."""
        overrides = self.chat2response_quirks
        return profile(self.profile, _json_object(overrides) if overrides is not None else None)

    @property
    def seal_keys(self) -> tuple[str, ...]:
        """The operator's keys for what travels sealed, the one that seals first; none where not set."""
        given = self.chat2response_seal_key
        return split_keys(given.get_secret_value()) if given is not None else ()

    @property
    def state_dir(self) -> Path:
        """Where files that we make live."""
        return self.chat2response_state_dir or self.chat2response_sqlite_path.parent

    @property
    def store_url(self) -> str:
        """The key store, unless the command line names another. It may hold a password."""
        if self.chat2response_redis_url is not None:
            return self.chat2response_redis_url.get_secret_value().strip()
        return f"sqlite:{self.chat2response_sqlite_path}"

    @property
    def store_setting(self) -> str:
        """The variable that `store_url` comes from."""
        redis = self.chat2response_redis_url is not None
        return "CHAT2RESPONSE_REDIS_URL" if redis else "CHAT2RESPONSE_SQLITE_PATH"

    @property
    def listen(self) -> tuple[str, int]:
        """Host and port of `BIND_ADDR`."""
        return listen_address(self.bind_addr)

    @property
    def admin_listen(self) -> tuple[str, int]:
        """Host and port of the admin plane: those of everything, unless it has its own."""
        return listen_address(self.chat2response_admin_bind_addr or self.bind_addr)

    def admin(self, made: str | None) -> AdminRules:
        """Who may use the admin plane; `made`: the token that the gateway made for itself."""
        given = self.chat2response_admin_token
        asked = self.chat2response_admin_allow
        return AdminRules(
            given.get_secret_value().strip() if given is not None else made,
            everywhere=given is not None,
            host=self.admin_listen[0],
            allow=LOOPBACK if asked is None else networks(asked),
            hosts=tuple(each.lower() for each in _words(self.chat2response_admin_hosts)),
            trusted=self.trusted_proxies,
        )

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Where the proxies are whose word for a client's address counts."""
        return networks(self.chat2response_trusted_proxies or "")

    def routes(self) -> Routes:
        """The upstream, or both of its faces."""
        if self.upstream_mode is UpstreamMode.DEMO:
            return Routes.single(Target("demo"))
        managed = self.auth_mode is not AuthMode.PASSTHROUGH
        # In passthrough ours stays here: it would stand in for a client that brings none.
        key = self.openai_api_key.get_secret_value().strip() if self.openai_api_key and managed else None
        model = self.chat2response_upstream_model and self.chat2response_upstream_model.strip()
        chat = Target("chat", self.base_url, key, managed, self.quirks, model)
        responses = Target("responses", self.base_url, key, managed, model=model)
        if self.upstream_mode is UpstreamMode.BOTH:
            return Routes(chat=chat, responses=responses)
        return Routes.single(chat if self.upstream_mode is UpstreamMode.CHAT else responses)

    def proxies(self) -> Proxies:
        """The proxies on the way to upstreams. Raises SettingsError.

        One that was named for us is for every place; only the standard variables have a list of exceptions.
        """
        if self.chat2response_no_proxy or self.upstream_mode is UpstreamMode.DEMO:
            return Proxies()
        if self.chat2response_proxy_url is not None:
            own = _proxy("CHAT2RESPONSE_PROXY_URL", self.chat2response_proxy_url)
            return Proxies(own, own)
        rest = ("ALL_PROXY", self.all_proxy)
        http = rest if self.http_proxy is None else ("HTTP_PROXY", self.http_proxy)
        https = rest if self.https_proxy is None else ("HTTPS_PROXY", self.https_proxy)
        return Proxies(_proxy(*http), _proxy(*https), Bypass.of(self.no_proxy or ""))

    @property
    def proxy(self) -> Proxy | None:
        """The one on the way to the upstream. Raises SettingsError."""
        return Place.of(self.base_url, self.proxies()).proxy

    def transport(self, user_agent: str) -> TransportOptions:
        """The way to upstreams. Raises SettingsError for a proxy that is none."""
        return TransportOptions(
            connect_timeout=self.chat2response_connect_timeout_seconds,
            read_timeout=self.chat2response_http_timeout_seconds,
            user_agent=user_agent,
            proxies=self.proxies(),
            ca_file=self.chat2response_ca_file,
        )

    def cors(self) -> CorsOptions:
        """Which web pages may call."""
        return CorsOptions(
            origins=tuple(_origin(each) for each in _listed(self.cors_allowed_origins)),
            methods=tuple(_token(each.upper()) for each in _listed(self.cors_allowed_methods)),
            headers=tuple(_token(each) for each in _listed(self.cors_allowed_headers)),
            credentials=self.cors_allow_credentials,
            max_age=self.cors_max_age,
        )

    @model_validator(mode="after")
    def _check_cors(self) -> Self:
        if ANY in self.cors().origins and self.cors_allow_credentials:
            raise ValueError(
                "CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS to name the origins: "
                "credentials from every web page there is would be everybody's"
            )
        return self

    def key_policy(self) -> KeyPolicy:
        """How long keys may live."""
        return KeyPolicy(
            default_ttl=self.chat2response_keys_default_ttl_seconds,
            require_expiration=self.chat2response_keys_require_expiration,
            allow_no_expiration=self.chat2response_keys_allow_no_expiration,
        )

    def prices(self) -> Prices:
        """What tokens cost; nothing, where no file says. Raises SettingsError."""
        file = self.chat2response_prices_file
        try:
            return Prices() if file is None else read_prices(file)
        except PricesError as error:
            raise SettingsError(f"CHAT2RESPONSE_PRICES_FILE: {error}.") from None

    def engine(self) -> EngineOptions:
        """How calls are run."""
        form = self.chat2response_reasoning
        return EngineOptions(reasoning=None if form == "auto" else form)


def load(env_file: Path | None = None) -> Settings:
    """The settings of this process. Raises SettingsError.

    `env_file`: by default the file that `ENV_FILE` names, else `.env` in the working folder if there is one;
    the environment wins over it.
    """
    file = env_file or _env_file()
    _refuse_unknown([*os.environ, *_names_in(file)])
    try:
        return Settings(_env_file=file, **_lower_case_proxies())  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def listen_address(text: str, name: str = "BIND_ADDR") -> tuple[str, int]:
    """`host:port`, `:port`, `[::1]:port`. Raises SettingsError, which says `name`."""
    host, separator, port = text.strip().rpartition(":")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise SettingsError(f"{name} is host:port, for example 127.0.0.1:8088, not {text!r}.")
    return host.strip("[]") or "0.0.0.0", int(port)


def _proxy(name: str, url: SecretStr | None) -> Proxy | None:
    """The proxy that the variable `name` names. Raises SettingsError."""
    try:
        return None if url is None else Proxy.of(url.get_secret_value().strip())
    except ValueError as error:
        told = f"{name}: {error}. CHAT2RESPONSE_NO_PROXY=1 lets the gateway use none."
        raise SettingsError(told) from None


def _lower_case_proxies() -> dict[str, Any]:
    """The standard variables are read in both cases; where both are set the lower case counts, as in curl.

    Set and empty, it says that there is no proxy.
    """
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def _env_file() -> Path | None:
    named = os.environ.get("ENV_FILE", "").strip()
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"ENV_FILE names {named}, which is not a file.")
        return Path(named)
    return Path(".env") if Path(".env").is_file() else None


def _names_in(file: Path | None) -> list[str]:
    if file is None:
        return []
    from dotenv import dotenv_values

    try:
        return list(dotenv_values(file))
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not a text file in UTF-8.") from None


def _known() -> list[str]:
    names = [name.upper() for name in Settings.model_fields]
    return [*names, "CHAT2RESPONSE_UPSTREAM"]


def _refuse_unknown(names: list[str]) -> None:
    known = _known()
    for name in names:
        upper = name.upper()
        if upper in _GONE:
            raise SettingsError(f"{name}: {_GONE[upper]}.")
        if upper.startswith(_PREFIX) and upper not in known and not upper.startswith(_INJECTED):
            near = difflib.get_close_matches(upper, known, n=1, cutoff=0.0)
            raise SettingsError(f"{name} is not a setting. Did you mean {near[0]}?")


def _explain(error: ValidationError) -> str:
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        said = each["msg"].removeprefix("Value error, ")
        lines.append(f"{str(each['loc'][0]).upper()}: {said}" if each["loc"] else said)
    return "\n".join(lines)
