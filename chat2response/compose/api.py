"""Builds the options of `api/` from the settings: admin rules, CORS, stream timeouts, client profiles."""

from collections.abc import Mapping

from chat2response.api.admin.rules import AdminRules
from chat2response.api.bridge.timed_sink import StreamTimeouts
from chat2response.api.http.client_address import LOOPBACK, Network, networks
from chat2response.api.http.cors import CorsOptions
from chat2response.convert.client_profiles import CLIENT_PROFILES, ClientProfile
from chat2response.convert.dialects.surfaces import SURFACES, Surface
from chat2response.settings import Settings
from chat2response.settings.checks import comma_list, comma_list_or_any, http_token, origin

_SURFACE_NAMES = tuple(surface.name for surface in SURFACES)


def admin_rules(settings: Settings, generated_token: str | None) -> AdminRules:
    """Who may use the admin plane. `generated_token`: the one that the gateway generated."""
    token, allow = settings.chat2response_admin_token, settings.chat2response_admin_allow
    return AdminRules(
        token.get_secret_value().strip() if token is not None else generated_token,
        always_require_token=token is not None,
        host=settings.admin_listen[0],
        allow=LOOPBACK if allow is None else networks(allow),
        hosts=tuple(each.lower() for each in comma_list(settings.chat2response_admin_hosts)),
        trusted=trusted_proxies(settings),
    )


def trusted_proxies(settings: Settings) -> tuple[Network, ...]:
    """The networks of proxies that may name a client's address."""
    return networks(settings.chat2response_trusted_proxies or "")


def cors(settings: Settings) -> CorsOptions:
    """Which web pages may call the data plane."""
    return CorsOptions(
        origins=tuple(map(origin, comma_list_or_any(settings.cors_allowed_origins))),
        methods=tuple(http_token(each.upper()) for each in comma_list_or_any(settings.cors_allowed_methods)),
        headers=tuple(map(http_token, comma_list_or_any(settings.cors_allowed_headers))),
        credentials=settings.cors_allow_credentials,
        max_age=settings.cors_max_age,
    )


def convert_cors(settings: Settings) -> CorsOptions:
    """Which web pages may call `/convert`, which needs no key: only those that the operator named."""
    named = "cors_allowed_origins" in settings.model_fields_set
    return cors(settings) if named else CorsOptions(origins=())


def stream_timeouts(settings: Settings, surface: Surface) -> StreamTimeouts:
    """Keepalive and stall timeout of a stream on `surface`."""
    name = surface.name
    default = StreamTimeouts(stall=settings.chat2response_http_timeout_seconds)
    heartbeats = seconds_by_surface(settings.chat2response_heartbeat_seconds, {name: default.keepalive})
    stalls = seconds_by_surface(settings.chat2response_stall_seconds, {name: default.stall})
    return StreamTimeouts(heartbeats.get(name, default.keepalive), stalls.get(name, default.stall))


def client_profile(settings: Settings) -> ClientProfile:
    """The form of answers, unless a request chooses another."""
    return CLIENT_PROFILES[settings.chat2response_client_profile]


def seconds_by_surface(text: str | None, default: Mapping[str, float]) -> dict[str, float]:
    """Seconds for each surface, else its `default`: `15`, `chat=5, responses=30`, or `15, proxy=0`.

    Raises ValueError.
    """
    for_all: dict[str, float] = dict(default)
    by_name: dict[str, float] = {}
    for entry in comma_list(text):
        name, separator, number = entry.rpartition("=")
        if separator and name.strip() not in _SURFACE_NAMES:
            raise ValueError(
                f"{name.strip()!r} is not a surface; write a number or surface=number "
                f"({', '.join(_SURFACE_NAMES)})"
            )
        seconds = _seconds(number)
        if separator:
            by_name[name.strip()] = seconds
        else:
            for_all = dict.fromkeys(_SURFACE_NAMES, seconds)
    return {**for_all, **by_name}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text.strip()!r} is not a number of seconds; write 0 or more (0: never)")
    return seconds
