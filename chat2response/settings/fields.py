"""`Settings`: every variable, its type and its default. `compose/` builds each folder's options from it."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat2response.settings import checks
from chat2response.settings.checks import ANY, Blank, listen_address
from chat2response.settings.types import (
    AuthMode,
    ClientProfileName,
    Fidelity,
    HostedTools,
    LogLevel,
    OrphanedCalls,
    ReasoningMode,
    UpstreamMode,
)

OPENAI = "https://api.openai.com/v1"
_BUFFERED_BYTES = 256 * 1024 * 1024  # of request bodies, in one process
URLS = (
    "openai_base_url",
    "chat2response_redis_url",
    "chat2response_proxy_url",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
"""Fields that hold an address. It may contain a password, and only the password is secret."""
ENCODING = "utf-8-sig"
"""The encoding of `.env` files: UTF-8, after the byte order mark that some editors write."""


class Settings(BaseSettings):
    """Every setting, named like its variable in lower case. The docstring below a field documents it."""

    model_config = SettingsConfigDict(
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        case_sensitive=False,
        defer_build=True,  # `compose.CheckedSettings` is what a process builds
    )

    openai_base_url: Annotated[str | None, Blank] = None
    """The upstream's base URL, without an endpoint. Default: `https://api.openai.com/v1`."""
    openai_api_key: Annotated[SecretStr | None, Blank, AfterValidator(checks.one_line)] = None
    """The upstream's API key; clients never see it. If set, clients need keys that you issue."""
    upstream_mode: Annotated[UpstreamMode, BeforeValidator(checks.upstream_mode)] = Field(
        UpstreamMode.RESPONSES, validation_alias=AliasChoices("UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM")
    )
    """The API that the upstream speaks: `responses`, `chat` (also `chat-completions`), `both`, or `demo`."""
    chat2response_upstream_input: bool = False
    """Whether the Responses upstream takes `input` only as text; several items become one transcript."""
    chat2response_upstream_model: Annotated[str | None, Blank] = None
    """The model for every call, whatever model the client names; converted answers show the client's."""
    chat2response_upstream_profile: Annotated[str | None, Blank] = None
    """The profile of a Chat upstream (docs/upstreams.md). Default: chosen by the upstream's address."""
    chat2response_seal_key: Annotated[SecretStr | None, Blank] = None
    """Seals reasoning that clients carry; several gateways share it. Default: generated in `seal.keys`."""
    chat2response_quirks: Annotated[str | None, Blank] = None
    """A JSON object that overrides single fields of the profile (docs/upstreams.md)."""
    bind_addr: str = "0.0.0.0:8088"
    """The address to listen on, `host:port`."""
    chat2response_auth_mode: Annotated[
        Literal["auto", "managed", "passthrough", "open"], BeforeValidator(checks.auth_mode)
    ] = "auto"
    """Who may call: `managed`, `passthrough`, `open`. `auto` is `managed` if there is an upstream key."""
    cors_allowed_origins: Annotated[str | None, Blank] = ANY
    """Web origins that may call (`https://app.example, http://localhost:3000`); never the admin plane."""
    cors_allowed_methods: Annotated[str | None, Blank] = ANY
    """Methods that web pages may use, a comma-separated list."""
    cors_allowed_headers: Annotated[str | None, Blank] = ANY
    """Headers that web pages may send, a comma-separated list."""
    cors_allow_credentials: bool = False
    """Whether browsers may send credentials; needs named origins."""
    cors_max_age: int = Field(3600, ge=0)
    """How many seconds a browser caches a preflight response."""
    chat2response_sqlite_path: Path = Path("data/keys.db")
    """The file of the key store, unless you use Redis."""
    chat2response_redis_url: Annotated[SecretStr | None, Blank] = None
    """Redis as the key store: `redis://[user:password@]host[:port][/db]` and more (docs/operations.md)."""
    chat2response_redis_pool_max: int = Field(16, ge=1)
    """The largest number of connections to Redis, for each process."""
    chat2response_state_dir: Annotated[Path | None, Blank] = None
    """The folder (0700) for the gateway's files. Default: the folder of the SQLite file."""
    chat2response_admin_token: Annotated[SecretStr | None, Blank] = None
    """Protects the admin plane: at least 16 characters, required from everywhere (docs/operations.md)."""
    chat2response_admin_allow: Annotated[str | None, Blank] = None
    """Networks that need no admin token (`loopback, 172.17.0.0/16`). Default: this machine."""
    chat2response_admin_hosts: Annotated[str | None, Blank] = None
    """More host names under which clients may reach the admin plane, a comma-separated list."""
    chat2response_admin_bind_addr: Annotated[str | None, Blank, AfterValidator(checks.admin_listener)] = None
    """A separate listener for the admin plane, `host:port`; `BIND_ADDR` then does not serve it."""
    chat2response_trusted_proxies: Annotated[str | None, Blank] = None
    """Networks of your reverse proxies, whose `X-Forwarded-For` counts."""
    chat2response_keys_require_expiration: bool = True
    """Whether every key must expire."""
    chat2response_keys_allow_no_expiration: Annotated[bool | None, Blank] = None
    """Whether keys without expiration may be created; overrides the setting above."""
    chat2response_keys_default_ttl_seconds: int = Field(86400, ge=0)
    """The lifetime of keys that are created without an expiration, in seconds; 0: no default."""
    chat2response_keys_pepper_file: Annotated[Path | None, Blank] = None
    """A file with peppers for the hashes of keys (docs/keys.md)."""
    chat2response_keys_end_runs: bool = True
    """Whether revoking a key ends its running calls."""
    chat2response_keys_serve_stale_seconds: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)
    """How many seconds valid keys still work while the key store is down; 0: not at all."""
    chat2response_audit_days: int = Field(400, ge=1, le=3660)
    """How many days the audit log is kept."""
    chat2response_prices_file: Annotated[Path | None, Blank] = None
    """A JSON file with token prices, for budgets and usage (docs/limits.md)."""
    chat2response_usage_days: int = Field(90, ge=1, le=3660)
    """How many days usage by key, model and day is kept."""
    chat2response_http_timeout_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)
    """Timeout for the upstream's response headers and for gaps between bytes; never for a whole stream."""
    chat2response_heartbeat_seconds: Annotated[str | None, Blank] = "15"
    """Idle seconds of a stream before a keepalive; also by surface: `20, chat=5, proxy=0`."""
    chat2response_stall_seconds: Annotated[str | None, Blank] = None
    """Seconds without an upstream event before a stream fails; also by surface. Default: the HTTP timeout."""
    chat2response_connect_timeout_seconds: float = Field(10.0, gt=0, allow_inf_nan=False)
    """Timeout for connecting to the upstream, including a proxy and TLS."""
    chat2response_proxy_url: Annotated[SecretStr | None, Blank] = None
    """The proxy for every upstream: `http://[user:password@]host:port`, or `https://`."""
    http_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy for `http://` upstreams, if `CHAT2RESPONSE_PROXY_URL` is not set; also in lower case."""
    https_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy for `https://` upstreams, likewise."""
    all_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy for upstreams without one of their own, likewise."""
    no_proxy: Annotated[str | None, Blank] = None
    """Hosts to reach without these three proxies: `localhost, .internal, 10.0.0.0/8, host:port`, or `*`."""
    chat2response_no_proxy: bool = False
    """Turns every proxy off."""
    chat2response_ca_file: Annotated[Path | None, Blank, AfterValidator(checks.certificates)] = None
    """CA certificates (PEM) to trust in addition to the system's."""
    chat2response_workers: int = Field(1, ge=1, le=256)
    """The number of processes that serve one address (docs/operations.md)."""
    chat2response_drain_seconds: float = Field(600.0, ge=0, allow_inf_nan=False)
    """How many seconds running calls may take after a SIGTERM."""
    chat2response_max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """The largest request body, both as sent and uncompressed."""
    chat2response_max_buffered_bytes: Annotated[int | None, Blank] = Field(None, ge=4096)
    """The limit of all bodies in memory, a quarter per key. Default: 256 MiB, or eight of the largest."""
    chat2response_body_timeout_seconds: float = Field(30.0, gt=0, allow_inf_nan=False)
    """How many seconds a client may pause within a request body (408)."""
    chat2response_body_min_bytes_per_second: int = Field(1000, ge=0)
    """The lowest speed of a request body, over 30 seconds (408); 0: no limit."""
    chat2response_write_timeout_seconds: float = Field(600.0, ge=0, allow_inf_nan=False)
    """A client that reads nothing for so many seconds is disconnected; 0: never."""
    chat2response_max_output_bytes: int = Field(32 * 1024 * 1024, ge=64 * 1024)
    """The largest converted answer; a larger one fails."""
    chat2response_log_level: Annotated[LogLevel, BeforeValidator(checks.log_level)] = "info"
    """The lowest level to log: `debug`, `info` (a line for each call), `warning`, `error`, `critical`."""
    rust_log: Annotated[str | None, Blank] = None
    """The filter of the Rust edition; its level counts if `CHAT2RESPONSE_LOG_LEVEL` is not set."""
    chat2response_fidelity: Annotated[Fidelity, BeforeValidator(checks.fidelity)] = "warn"
    """Unconvertible fields: `strict` (400), `warn`, `drop`; `x-chat2response-fidelity` overrides it."""
    chat2response_reasoning: ReasoningMode = "auto"
    """Where a Chat model's reasoning goes: `summary`, `content`, `hide`; `auto` is `summary`."""
    chat2response_models_file: Annotated[Path | None, Blank] = None
    """A JSON file that describes models to clients (docs/clients.md)."""
    chat2response_client_profile: ClientProfileName = "default"
    """The form of answers: `default`, `open-responses` (docs/clients.md)."""
    chat2response_hosted_tools: HostedTools = "drop"
    """Hosted tools on a Chat upstream: `drop` them and name them, or `refuse` the call."""
    chat2response_orphans: OrphanedCalls = "refuse"
    """Tool calls without outputs, and outputs without calls: `refuse` the request, or `repair` it."""

    # -- values that follow from several fields ------------------------------------------------------

    @property
    def auth_mode(self) -> AuthMode:
        """The configured mode; `auto` is managed if the gateway has an upstream key, or is the demo."""
        if self.chat2response_auth_mode != "auto":
            return AuthMode(self.chat2response_auth_mode)
        managed = self.openai_api_key is not None or self.upstream_mode is UpstreamMode.DEMO
        return AuthMode.MANAGED if managed else AuthMode.PASSTHROUGH

    @property
    def unmanaged_reason(self) -> str | None:
        """Why clients need no key that the gateway issued; None if they do."""
        if self.auth_mode is AuthMode.MANAGED:
            return None
        if self.chat2response_auth_mode == "auto":
            return "OPENAI_API_KEY is not set"
        return f"CHAT2RESPONSE_AUTH_MODE={self.chat2response_auth_mode}"

    @property
    def base_url(self) -> str:
        """The upstream's address, without a slash at its end."""
        return (self.openai_base_url or OPENAI).strip().rstrip("/")

    @property
    def speaks_chat(self) -> bool:
        """Whether one of the upstreams speaks Chat Completions."""
        return self.upstream_mode in (UpstreamMode.CHAT, UpstreamMode.BOTH)

    @property
    def state_dir(self) -> Path:
        """The folder for the files that the gateway creates."""
        return self.chat2response_state_dir or self.chat2response_sqlite_path.parent

    @property
    def store_url(self) -> str:
        """The address of the key store, unless the command line names another. It may contain a password."""
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
        """Host and port of the admin plane: its own listener's, or the shared one's."""
        return listen_address(self.chat2response_admin_bind_addr or self.bind_addr)

    @property
    def log_level(self) -> LogLevel:
        """The lowest level to log; `RUST_LOG` decides if `CHAT2RESPONSE_LOG_LEVEL` is not set."""
        if "chat2response_log_level" not in self.model_fields_set and self.rust_log is not None:
            return checks.rust_log_level(self.rust_log) or self.chat2response_log_level
        return self.chat2response_log_level

    @property
    def max_buffered_bytes(self) -> int:
        """The limit of all request bodies together, in bytes. A key may use a quarter of it."""
        configured, least = self.chat2response_max_buffered_bytes, 8 * self.chat2response_max_body_bytes
        return configured if configured is not None else max(_BUFFERED_BYTES, least)

    def url(self, name: str) -> str | None:
        """The value of a field in `URLS`. It may contain a login."""
        value = getattr(self, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if text is None else text.strip()

    @model_validator(mode="after")
    def _check_buffers(self) -> Self:
        if self.max_buffered_bytes < 8 * self.chat2response_max_body_bytes:
            raise ValueError(
                "CHAT2RESPONSE_MAX_BUFFERED_BYTES must be at least eight times CHAT2RESPONSE_MAX_BODY_BYTES: "
                "one key may use a quarter of it, and needs room for its largest body twice, as sent and "
                "uncompressed"
            )
        return self

    @model_validator(mode="after")
    def _check_cors(self) -> Self:
        origins = [checks.origin(each) for each in checks.comma_list_or_any(self.cors_allowed_origins)]
        for names in (self.cors_allowed_methods, self.cors_allowed_headers):
            for each in checks.comma_list_or_any(names):
                checks.http_token(each)
        if ANY in origins and self.cors_allow_credentials:
            raise ValueError(
                "CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS to name the origins: with `*` every web "
                "page could use the credentials"
            )
        return self
