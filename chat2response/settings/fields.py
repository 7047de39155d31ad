"""`Settings`: every variable, its type and its default. `compose/` builds the floors' options from them."""

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
"""Fields that hold an address with, perhaps, a password in it: only the password is secret."""
ENCODING = "utf-8-sig"
"""The encoding of `.env` files: UTF-8, after the byte order mark that some editors write."""


class Settings(BaseSettings):
    """Every setting, under the name of its variable in lower case. What stands below one describes it."""

    model_config = SettingsConfigDict(
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        case_sensitive=False,
        defer_build=True,  # `compose.CheckedSettings` is what a process builds
    )

    openai_base_url: Annotated[str | None, Blank] = None
    """The upstream's base, without an endpoint; OpenAI's own (`https://api.openai.com/v1`) where not set."""
    openai_api_key: Annotated[SecretStr | None, Blank, AfterValidator(checks.one_line)] = None
    """The upstream's key, which clients never see; where it is set, they need keys of ours."""
    upstream_mode: Annotated[UpstreamMode, BeforeValidator(checks.upstream_mode)] = Field(
        UpstreamMode.RESPONSES, validation_alias=AliasChoices("UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM")
    )
    """What the upstream speaks: `responses`, `chat` (also `chat-completions`), `both`, or `demo`."""
    chat2response_upstream_input: bool = False
    """The Responses upstream takes `input` as a text only; more than one goes as a transcript, a loss."""
    chat2response_upstream_model: Annotated[str | None, Blank] = None
    """The model every call goes to, whatever name the client uses; converted answers keep the client's."""
    chat2response_upstream_profile: Annotated[str | None, Blank] = None
    """How a Chat upstream differs (`openai`, `vllm`, `ollama`, ...: docs/upstreams.md); by its address."""
    chat2response_seal_key: Annotated[SecretStr | None, Blank] = None
    """Seals reasoning that clients keep; several gateways share it. Not set, one is made in `seal.keys`."""
    chat2response_quirks: Annotated[str | None, Blank] = None
    """Single fields of the upstream's profile, as a JSON object (docs/upstreams.md)."""
    bind_addr: str = "0.0.0.0:8088"
    """Where to listen, `host:port`."""
    chat2response_auth_mode: Annotated[
        Literal["auto", "managed", "passthrough", "open"], BeforeValidator(checks.auth_mode)
    ] = "auto"
    """Who may pass: `managed`, `passthrough`, `open`; `auto` is managed where there is an upstream key."""
    cors_allowed_origins: Annotated[str | None, Blank] = ANY
    """Web pages that may call (`https://app.example, http://localhost:3000`); never the admin plane."""
    cors_allowed_methods: Annotated[str | None, Blank] = ANY
    """Methods that they may use, of those that a path has; a comma list."""
    cors_allowed_headers: Annotated[str | None, Blank] = ANY
    """Headers that they may send; a comma list."""
    cors_allow_credentials: bool = False
    """Whether browsers may send what they keep for us; needs named origins."""
    cors_max_age: int = Field(3600, ge=0)
    """Seconds that a browser remembers the answer to a preflight."""
    chat2response_sqlite_path: Path = Path("data/keys.db")
    """The file of the key store, unless there is a Redis."""
    chat2response_redis_url: Annotated[SecretStr | None, Blank] = None
    """The key store: `redis://[user:password@]host[:port][/db]`, clusters, Sentinels (docs/operations.md)."""
    chat2response_redis_pool_max: int = Field(16, ge=1)
    """Connections to Redis per process."""
    chat2response_state_dir: Annotated[Path | None, Blank] = None
    """Where files of ours live (0700); the folder of the SQLite path where it is not set."""
    chat2response_admin_token: Annotated[SecretStr | None, Blank] = None
    """Guards the admin plane: 16 characters or more, then asked for from everywhere (docs/operations.md)."""
    chat2response_admin_allow: Annotated[str | None, Blank] = None
    """Addresses and networks that need no admin token (`loopback, 172.17.0.0/16`); this machine."""
    chat2response_admin_hosts: Annotated[str | None, Blank] = None
    """Further names under which they may address the admin plane; a comma list."""
    chat2response_admin_bind_addr: Annotated[str | None, Blank, AfterValidator(checks.admin_listener)] = None
    """A listener of its own for the admin plane, `host:port`; the other then knows none."""
    chat2response_trusted_proxies: Annotated[str | None, Blank] = None
    """Networks of the proxies in front whose word for a client's address counts."""
    chat2response_keys_require_expiration: bool = True
    """Whether every key has an end."""
    chat2response_keys_allow_no_expiration: Annotated[bool | None, Blank] = None
    """Whether a key without an end may be made; wins over the one above, which decides else."""
    chat2response_keys_default_ttl_seconds: int = Field(86400, ge=0)
    """How long a key lives that is made without an end; 0: no default."""
    chat2response_keys_pepper_file: Annotated[Path | None, Blank] = None
    """Peppers for the hashes of keys (docs/keys.md)."""
    chat2response_keys_end_runs: bool = True
    """Whether a revocation ends what runs under the key."""
    chat2response_keys_serve_stale_seconds: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)
    """How many seconds tokens that were good open while the store is away; 0: nobody gets in."""
    chat2response_audit_days: int = Field(400, ge=1, le=3660)
    """How many days the audit of keys is kept."""
    chat2response_prices_file: Annotated[Path | None, Blank] = None
    """What tokens cost, for budgets and usage (docs/limits.md)."""
    chat2response_usage_days: int = Field(90, ge=1, le=3660)
    """How many days usage by key, model and day is kept."""
    chat2response_http_timeout_seconds: float = Field(60.0, gt=0, allow_inf_nan=False)
    """Silence of an upstream, before the head and between bytes; never a whole stream."""
    chat2response_heartbeat_seconds: Annotated[str | None, Blank] = "15"
    """Silence in a stream before the gateway says something; also by surface: `20, chat=5, proxy=0`."""
    chat2response_stall_seconds: Annotated[str | None, Blank] = None
    """Without an event of the upstream's a stream ends so late; the HTTP timeout; also by surface."""
    chat2response_connect_timeout_seconds: float = Field(10.0, gt=0, allow_inf_nan=False)
    """To connect to an upstream, through a proxy and TLS where there are any."""
    chat2response_proxy_url: Annotated[SecretStr | None, Blank] = None
    """A proxy on the way to every upstream: `http://[user:password@]host:port`, or `https://`."""
    http_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy to `http://` upstreams, where the one above is not set; also in lower case."""
    https_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy to `https://` upstreams, likewise."""
    all_proxy: Annotated[SecretStr | None, Blank] = None
    """The proxy to upstreams of either kind that have none of their own, likewise."""
    no_proxy: Annotated[str | None, Blank] = None
    """Places that these three are not for: `localhost, .internal, 10.0.0.0/8, host:port`, or `*`."""
    chat2response_no_proxy: bool = False
    """No proxy, whatever the five above say."""
    chat2response_ca_file: Annotated[Path | None, Blank, AfterValidator(checks.certificates)] = None
    """Certificates (PEM) that are trusted beside the system's."""
    chat2response_workers: int = Field(1, ge=1, le=256)
    """Processes that serve at one address (docs/operations.md)."""
    chat2response_drain_seconds: float = Field(600.0, ge=0, allow_inf_nan=False)
    """What running calls get after a SIGTERM before they are ended."""
    chat2response_max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """The largest body of a request, both as it is sent and as it is unpacked."""
    chat2response_max_buffered_bytes: Annotated[int | None, Blank] = Field(None, ge=4096)
    """All bodies in memory together, a quarter for one key; 256 MiB, or eight of the largest."""
    chat2response_body_timeout_seconds: float = Field(30.0, gt=0, allow_inf_nan=False)
    """Silence of a client in the middle of a request's body, after which it is refused (408)."""
    chat2response_body_min_bytes_per_second: int = Field(1000, ge=0)
    """The least that a body comes at, over 30 seconds; a slower one is refused (408). 0: at any rate."""
    chat2response_write_timeout_seconds: float = Field(600.0, ge=0, allow_inf_nan=False)
    """A client that takes nothing of its answer for so long is disconnected; 0: never."""
    chat2response_max_output_bytes: int = Field(32 * 1024 * 1024, ge=64 * 1024)
    """The most that is kept of one converted answer; a larger one ends as failed."""
    chat2response_log_level: Annotated[LogLevel, BeforeValidator(checks.log_level)] = "info"
    """The least that is logged: `debug`, `info` (a line for each call), `warning`, `error`, `critical`."""
    rust_log: Annotated[str | None, Blank] = None
    """The Rust edition's filter; its level counts where the one above is not set."""
    chat2response_fidelity: Annotated[Fidelity, BeforeValidator(checks.fidelity)] = "warn"
    """What cannot cross: `strict` (400), `warn`, `drop`; a client's `x-chat2response-fidelity` wins."""
    chat2response_reasoning: ReasoningMode = "auto"
    """A Chat model's reasoning: `summary`, `content`, `hide`; `auto`: `summary`, which most clients show."""
    chat2response_models_file: Annotated[Path | None, Blank] = None
    """What clients are told of models: context, modalities, reasoning levels (docs/clients.md)."""
    chat2response_client_profile: ClientProfileName = "default"
    """What clients need of answers: `default`, `open-responses` (docs/clients.md)."""
    chat2response_hosted_tools: HostedTools = "drop"
    """A hosted tool toward a Chat upstream: `drop` it and say so, or `refuse` the call."""
    chat2response_orphans: OrphanedCalls = "refuse"
    """A call without an output, or an output without a call: `refuse` it, or `repair` and say so."""

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
        """The folder of the files that the gateway makes."""
        return self.chat2response_state_dir or self.chat2response_sqlite_path.parent

    @property
    def store_url(self) -> str:
        """The address of the key store, unless the command line names another. It may hold a password."""
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
        """The lowest level that is logged; `RUST_LOG` decides if our own variable is not set."""
        if "chat2response_log_level" not in self.model_fields_set and self.rust_log is not None:
            return checks.rust_log_level(self.rust_log) or self.chat2response_log_level
        return self.chat2response_log_level

    @property
    def max_buffered_bytes(self) -> int:
        """The bound on all request bodies together; one key's quarter of it holds the largest body twice."""
        configured, least = self.chat2response_max_buffered_bytes, 8 * self.chat2response_max_body_bytes
        return configured if configured is not None else max(_BUFFERED_BYTES, least)

    def url(self, name: str) -> str | None:
        """The value of a field in `URLS`. It may hold a login."""
        value = getattr(self, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if text is None else text.strip()

    @model_validator(mode="after")
    def _check_buffers(self) -> Self:
        if self.max_buffered_bytes < 8 * self.chat2response_max_body_bytes:
            raise ValueError(
                "CHAT2RESPONSE_MAX_BUFFERED_BYTES must be at least eight times CHAT2RESPONSE_MAX_BODY_BYTES: "
                "one key may use a quarter of it, and needs room for its largest body twice, as sent and as "
                "unpacked"
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
