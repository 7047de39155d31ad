"""`Settings`: every variable, its type and default, and what each floor is given of them."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat2response.api.admin.rules import AdminRules
from chat2response.api.bridge.stream_sender import Rhythm
from chat2response.api.http.client_address import LOOPBACK, Network, networks
from chat2response.api.http.cors import ANY, CorsOptions
from chat2response.convert.client_profiles import CLIENTS, ClientProfile
from chat2response.convert.losses import Fidelity
from chat2response.convert.policy import Hosted, Orphans, Policy
from chat2response.convert.quirks.profiles import GENERIC, profile
from chat2response.convert.quirks.profiles import OPENAI as OPENAI_PROFILE
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.engine.engine import EngineOptions
from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.keys.tokens.pepper import PepperError, Peppers, read_peppers
from chat2response.net.endpoint import Place
from chat2response.net.proxies import Bypass, Proxies, Proxy
from chat2response.net.transport import TransportOptions
from chat2response.quota.prices import Prices, PricesError, read_prices
from chat2response.settings import values
from chat2response.settings.values import (
    AuthMode,
    Blank,
    LogLevel,
    Networks,
    SettingsError,
    UpstreamMode,
    listen_address,
)
from chat2response.state.sealing import parse_keys
from chat2response.upstreams.base import Target
from chat2response.upstreams.catalog import Catalog, CatalogError, read_catalog
from chat2response.upstreams.routes import Routes, Surface

OPENAI = "https://api.openai.com/v1"
_BUFFERED = 256 * 1024 * 1024  # bytes of request bodies in one process
URLS = (
    "openai_base_url",
    "chat2response_redis_url",
    "chat2response_proxy_url",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)
"""Fields that hold an address, and in it perhaps a password: that alone is secret."""
ENCODING = "utf-8-sig"
"""Of `.env` files: UTF-8, with the mark before it that some editors write."""
_OPENAI_HOST = urlsplit(OPENAI).hostname


class Settings(BaseSettings):
    """Every setting, under the name of its variable in lower case. What stands below one describes it."""

    model_config = SettingsConfigDict(
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        case_sensitive=False,
    )

    openai_base_url: Annotated[str | None, Blank, AfterValidator(values.web_address)] = None
    """The upstream's base, without an endpoint; OpenAI's own (`https://api.openai.com/v1`) where not set."""
    openai_api_key: Annotated[SecretStr | None, Blank, AfterValidator(values.one_line)] = None
    """The upstream's key, which clients never see; where it is set, they need keys of ours."""
    upstream_mode: Annotated[UpstreamMode, BeforeValidator(values.mode)] = Field(
        UpstreamMode.RESPONSES, validation_alias=AliasChoices("UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM")
    )
    """What the upstream speaks: `responses`, `chat` (also `chat-completions`), `both`, or `demo`."""
    chat2response_upstream_input: bool = False
    """The Responses upstream takes `input` as a text only; more than one goes as a transcript, a loss."""
    chat2response_upstream_model: Annotated[str | None, Blank] = None
    """The model every call goes to, whatever name the client uses; converted answers keep the client's."""
    chat2response_upstream_profile: Annotated[str | None, Blank, AfterValidator(values.known_profile)] = None
    """How a Chat upstream differs (`openai`, `vllm`, `ollama`, ...: docs/upstreams.md); by its address."""
    chat2response_seal_key: Annotated[SecretStr | None, Blank, AfterValidator(values.seal_keys)] = None
    """Seals reasoning that clients keep; several gateways share it. Not set, one is made in `seal.keys`."""
    chat2response_quirks: Annotated[str | None, Blank, AfterValidator(values.known_quirks)] = None
    """Single fields of the upstream's profile, as a JSON object (docs/upstreams.md)."""
    bind_addr: str = "0.0.0.0:8088"
    """Where to listen, `host:port`."""
    chat2response_auth_mode: Annotated[
        Literal["auto", "managed", "passthrough", "open"], BeforeValidator(values.auth)
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
    chat2response_redis_url: Annotated[SecretStr | None, BeforeValidator(values.redis), Blank] = None
    """The key store: `redis://[user:password@]host[:port][/db]`, clusters, Sentinels (docs/operations.md)."""
    chat2response_redis_pool_max: int = Field(16, ge=1)
    """Connections to Redis per process."""
    chat2response_state_dir: Annotated[Path | None, Blank] = None
    """Where files of ours live (0700); the folder of the SQLite path where it is not set."""
    chat2response_admin_token: Annotated[SecretStr | None, Blank, AfterValidator(values.admin_token)] = None
    """Guards the admin plane: 16 characters or more, then asked for from everywhere (docs/operations.md)."""
    chat2response_admin_allow: Networks = None
    """Addresses and networks that need no admin token (`loopback, 172.17.0.0/16`); this machine."""
    chat2response_admin_hosts: Annotated[str | None, Blank] = None
    """Further names under which they may address the admin plane; a comma list."""
    chat2response_admin_bind_addr: Annotated[str | None, Blank, AfterValidator(values.listener)] = None
    """A listener of its own for the admin plane, `host:port`; the other then knows none."""
    chat2response_trusted_proxies: Networks = None
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
    chat2response_heartbeat_seconds: Annotated[str | None, Blank, AfterValidator(values.by_surface)] = "15"
    """Silence in a stream before the gateway says something; also by surface: `20, chat=5, proxy=0`."""
    chat2response_stall_seconds: Annotated[str | None, Blank, AfterValidator(values.by_surface)] = None
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
    chat2response_ca_file: Annotated[Path | None, Blank, AfterValidator(values.certificates)] = None
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
    chat2response_max_output_bytes: int = Field(MAX_OUTPUT, ge=64 * 1024)
    """The most that is kept of one converted answer; a larger one ends as failed."""
    chat2response_log_level: Annotated[LogLevel, BeforeValidator(values.level)] = "info"
    """The least that is logged: `debug`, `info` (a line for each call), `warning`, `error`, `critical`."""
    rust_log: Annotated[str | None, Blank] = None
    """The Rust edition's filter; its level counts where the one above is not set."""
    chat2response_fidelity: Annotated[Fidelity, BeforeValidator(values.fidelity)] = "warn"
    """What cannot cross: `strict` (400), `warn`, `drop`; a client's `x-chat2response-fidelity` wins."""
    chat2response_reasoning: Literal["auto", "summary", "content", "hide"] = "auto"
    """A Chat model's reasoning: `summary`, `content`, `hide`; `auto`: `summary`, which most clients show."""
    chat2response_models_file: Annotated[Path | None, Blank] = None
    """What clients are told of models: context, modalities, reasoning levels (docs/clients.md)."""
    chat2response_client_profile: Literal["default", "open-responses"] = "default"
    """What clients need of answers: `default`, `open-responses` (docs/clients.md)."""
    chat2response_hosted_tools: Hosted = "drop"
    """A hosted tool toward a Chat upstream: `drop` it and say so, or `refuse` the call."""
    chat2response_orphans: Orphans = "refuse"
    """A call without an output, or an output without a call: `refuse` it, or `repair` and say so."""

    # -- what the floors are given -------------------------------------------------------------------

    @property
    def auth_mode(self) -> AuthMode:
        """The one asked for; of `auto`, managed when we have a key for the upstream, or it is the demo."""
        if self.chat2response_auth_mode != "auto":
            return AuthMode(self.chat2response_auth_mode)
        managed = self.openai_api_key is not None or self.upstream_mode is UpstreamMode.DEMO
        return AuthMode.MANAGED if managed else AuthMode.PASSTHROUGH

    @property
    def unasked(self) -> str | None:
        """Why nobody is asked for a key of ours; None where everybody is."""
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
    def profile(self) -> str:
        """The name of the Chat upstream's profile: the one asked for, else by its address."""
        if self.chat2response_upstream_profile is not None:
            return self.chat2response_upstream_profile
        return OPENAI_PROFILE if urlsplit(self.base_url).hostname == _OPENAI_HOST else GENERIC

    @property
    def quirks(self) -> Quirks:
        """That profile, with the operator's own fields."""
        overrides = self.chat2response_quirks
        return profile(self.profile, values.json_object(overrides) if overrides is not None else None)

    @property
    def seal_keys(self) -> tuple[str, ...]:
        """The operator's keys for what travels sealed, the one that seals first; none where not set."""
        given = self.chat2response_seal_key
        return parse_keys(given.get_secret_value()) if given is not None else ()

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
            hosts=tuple(each.lower() for each in values.words(self.chat2response_admin_hosts)),
            trusted=self.trusted_proxies,
        )

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Where the proxies are whose word for a client's address counts."""
        return networks(self.chat2response_trusted_proxies or "")

    @property
    def log_level(self) -> LogLevel:
        """The least that is logged; `RUST_LOG` says it where no variable of ours does."""
        if "chat2response_log_level" not in self.model_fields_set and self.rust_log is not None:
            return values.rust_level(self.rust_log) or self.chat2response_log_level
        return self.chat2response_log_level

    def routes(self) -> Routes:
        """The upstream, or both of its faces."""
        if self.upstream_mode is UpstreamMode.DEMO:
            return Routes.single(Target("demo"))
        managed = self.auth_mode is not AuthMode.PASSTHROUGH
        # In passthrough ours stays here: it would stand in for a client that brings none.
        key = self.openai_api_key.get_secret_value().strip() if self.openai_api_key and managed else None
        model = self.chat2response_upstream_model and self.chat2response_upstream_model.strip()
        chat = Target("chat", self.base_url, key, managed, self.quirks, model)
        text = self.chat2response_upstream_input
        responses = Target("responses", self.base_url, key, managed, model=model, text_input=text)
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
            own = values.proxy_of("CHAT2RESPONSE_PROXY_URL", self.chat2response_proxy_url)
            return Proxies(own, own)
        rest = ("ALL_PROXY", self.all_proxy)
        http = rest if self.http_proxy is None else ("HTTP_PROXY", self.http_proxy)
        https = rest if self.https_proxy is None else ("HTTPS_PROXY", self.https_proxy)
        return Proxies(values.proxy_of(*http), values.proxy_of(*https), Bypass.of(self.no_proxy or ""))

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
            origins=tuple(values.origin(each) for each in values.listed(self.cors_allowed_origins)),
            methods=tuple(values.token(each.upper()) for each in values.listed(self.cors_allowed_methods)),
            headers=tuple(values.token(each) for each in values.listed(self.cors_allowed_headers)),
            credentials=self.cors_allow_credentials,
            max_age=self.cors_max_age,
        )

    def convert_cors(self) -> CorsOptions:
        """Which web pages may use `/convert`, which needs no key: none but where the operator named them."""
        return self.cors() if "cors_allowed_origins" in self.model_fields_set else CorsOptions(origins=())

    @property
    def max_buffered_bytes(self) -> int:
        """Of all bodies together: so much that a share holds the largest, twice."""
        asked, least = self.chat2response_max_buffered_bytes, 8 * self.chat2response_max_body_bytes
        return asked if asked is not None else max(_BUFFERED, least)

    @model_validator(mode="after")
    def _check_buffers(self) -> Self:
        if self.max_buffered_bytes < 8 * self.chat2response_max_body_bytes:
            raise ValueError(
                "CHAT2RESPONSE_MAX_BUFFERED_BYTES is at least eight times CHAT2RESPONSE_MAX_BODY_BYTES: "
                "a quarter of it is for one key, and must hold its largest body as sent and as unpacked"
            )
        return self

    @model_validator(mode="after")
    def _check_cors(self) -> Self:
        if ANY in self.cors().origins and self.cors_allow_credentials:
            raise ValueError(
                "CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS to name the origins: "
                "credentials from every web page there is would be everybody's"
            )
        return self

    def secrets(self) -> tuple[str, ...]:
        """What is never printed: the secret settings, or what is secret inside them; the longest first."""
        parts: set[str] = set()
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in URLS:
                parts.update(values.secret_parts_of_url(self.url(name) or ""))
            elif isinstance(value, SecretStr):
                parts.update(values.secret_parts(value.get_secret_value().strip()))
        return tuple(sorted(parts, key=len, reverse=True))

    def url(self, name: str) -> str | None:
        """The value of a field that is one of `URLS`, which may hold a login."""
        value = getattr(self, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if text is None else text.strip()

    def key_policy(self) -> KeyPolicy:
        """How long keys may live."""
        return KeyPolicy(
            default_ttl=self.chat2response_keys_default_ttl_seconds,
            require_expiration=self.chat2response_keys_require_expiration,
            allow_no_expiration=self.chat2response_keys_allow_no_expiration,
        )

    def peppers(self) -> Peppers:
        """What goes into the hashes of keys; nothing, where no file says. Raises SettingsError."""
        file = self.chat2response_keys_pepper_file
        try:
            return Peppers() if file is None else read_peppers(file)
        except PepperError as error:
            raise SettingsError(f"CHAT2RESPONSE_KEYS_PEPPER_FILE: {error}.") from None

    def prices(self) -> Prices:
        """What tokens cost; nothing, where no file says. Raises SettingsError."""
        file = self.chat2response_prices_file
        try:
            return Prices() if file is None else read_prices(file)
        except PricesError as error:
            raise SettingsError(f"CHAT2RESPONSE_PRICES_FILE: {error}.") from None

    def catalog(self) -> Catalog:
        """What is said of models; nothing, where no file says. Raises SettingsError."""
        file = self.chat2response_models_file
        try:
            return Catalog() if file is None else read_catalog(file)
        except CatalogError as error:
            raise SettingsError(f"CHAT2RESPONSE_MODELS_FILE: {error}.") from None

    def rhythm(self, surface: Surface) -> Rhythm:
        """How long a stream on `surface` may be silent, in either direction."""
        usual = Rhythm(stall=self.chat2response_http_timeout_seconds)
        beats = values.seconds(self.chat2response_heartbeat_seconds, {surface: usual.heartbeat})
        stalls = values.seconds(self.chat2response_stall_seconds, {surface: usual.stall})
        return Rhythm(beats.get(surface, usual.heartbeat), stalls.get(surface, usual.stall))

    @property
    def client(self) -> ClientProfile:
        """What clients that do not say more need of an answer."""
        return CLIENTS[self.chat2response_client_profile]

    def policy(self) -> Policy:
        """What becomes of what a Chat upstream cannot be given."""
        return Policy(self.chat2response_hosted_tools, self.chat2response_orphans)

    def engine(self) -> EngineOptions:
        """How calls are run."""
        form = self.chat2response_reasoning
        return EngineOptions(
            reasoning=None if form == "auto" else form,
            fidelity=self.chat2response_fidelity,
            max_output=self.chat2response_max_output_bytes,
        )
