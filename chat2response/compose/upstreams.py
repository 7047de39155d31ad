"""Builds the options of `upstreams/`, `net/` and `engine/`: targets, quirks, proxies, the model catalogue."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.policy import Policy
from chat2response.convert.quirks.profiles import GENERIC, profile
from chat2response.convert.quirks.profiles import OPENAI as OPENAI_PROFILE
from chat2response.convert.quirks.quirks import Quirks
from chat2response.engine.parts import EngineOptions
from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Bypass, Proxies, Proxy
from chat2response.net.transport import TransportOptions
from chat2response.settings import OPENAI, AuthMode, Settings, SettingsError, UpstreamMode
from chat2response.upstreams.base import Target
from chat2response.upstreams.catalog import Catalog, CatalogError, read_catalog
from chat2response.upstreams.routes import Routes
from chat2response.wire.json import JSONError, decode

_OPENAI_HOST = urlsplit(OPENAI).hostname
_DEMO_URL = "http://demo.invalid/v1"  # a name that never resolves (RFC 6761): only the demo answers it


def profile_name(settings: Settings) -> str:
    """The name of the Chat upstream's profile: the configured one, or the one that its address suggests."""
    if settings.chat2response_upstream_profile is not None:
        return settings.chat2response_upstream_profile
    return OPENAI_PROFILE if urlsplit(settings.base_url).hostname == _OPENAI_HOST else GENERIC


def quirks(settings: Settings) -> Quirks:
    """The profile's quirks, with the operator's overrides."""
    overrides = settings.chat2response_quirks
    return profile(profile_name(settings), json_object(overrides) if overrides is not None else None)


def routes(settings: Settings) -> Routes:
    """The target of each surface."""
    if settings.upstream_mode is UpstreamMode.DEMO:
        return Routes.single(
            Target(CHAT, _DEMO_URL, backend=Backend(policy=conversion_policy(settings)), name="demo")
        )
    managed = settings.auth_mode is not AuthMode.PASSTHROUGH
    # In passthrough mode the gateway's key is not used: it would serve clients that send no key.
    secret = settings.openai_api_key if managed else None
    key = secret.get_secret_value().strip() if secret is not None else None
    model = settings.chat2response_upstream_model and settings.chat2response_upstream_model.strip()
    text_input = settings.chat2response_upstream_input
    policy = conversion_policy(settings)
    chat_backend = Backend(model, quirks(settings), policy=policy)
    chat = Target(CHAT, settings.base_url, key, managed, chat_backend)
    responses_backend = Backend(model, text_input=text_input, policy=policy)
    responses = Target(RESPONSES, settings.base_url, key, managed, responses_backend)
    if settings.upstream_mode is UpstreamMode.BOTH:
        return Routes.by_dialect((responses, chat))
    return Routes.single(chat if settings.upstream_mode is UpstreamMode.CHAT else responses)


def proxies(settings: Settings) -> Proxies:
    """The proxies on the way to upstreams. Raises SettingsError.

    `CHAT2RESPONSE_PROXY_URL` applies to every upstream; `NO_PROXY` limits only the standard variables.
    """
    if settings.chat2response_no_proxy or settings.upstream_mode is UpstreamMode.DEMO:
        return Proxies()
    if settings.chat2response_proxy_url is not None:
        proxy = _proxy("CHAT2RESPONSE_PROXY_URL", settings.chat2response_proxy_url)
        return Proxies(proxy, proxy)
    fallback = ("ALL_PROXY", settings.all_proxy)
    http = fallback if settings.http_proxy is None else ("HTTP_PROXY", settings.http_proxy)
    https = fallback if settings.https_proxy is None else ("HTTPS_PROXY", settings.https_proxy)
    return Proxies(_proxy(*http), _proxy(*https), Bypass.of(settings.no_proxy or ""))


def upstream_proxy(settings: Settings) -> Proxy | None:
    """The proxy on the way to the configured upstream. Raises SettingsError."""
    return Endpoint.of(settings.base_url, proxies(settings)).proxy


def transport_options(settings: Settings, user_agent: str) -> TransportOptions:
    """How connections to upstreams are made. Raises SettingsError for an invalid proxy."""
    return TransportOptions(
        connect_timeout=settings.chat2response_connect_timeout_seconds,
        read_timeout=settings.chat2response_http_timeout_seconds,
        user_agent=user_agent,
        proxies=proxies(settings),
        ca_file=settings.chat2response_ca_file,
    )


def catalog(settings: Settings) -> Catalog:
    """The operator's model descriptions; empty if no file is configured. Raises SettingsError."""
    file = settings.chat2response_models_file
    try:
        return Catalog() if file is None else read_catalog(file)
    except CatalogError as error:
        raise SettingsError(f"CHAT2RESPONSE_MODELS_FILE: {error}.") from None


def conversion_policy(settings: Settings) -> Policy:
    """How to treat tools and calls that a Chat upstream does not support."""
    return Policy(settings.chat2response_hosted_tools, settings.chat2response_orphans)


def engine_options(settings: Settings) -> EngineOptions:
    """Options of the engine: reasoning, fidelity and the output limit."""
    reasoning = settings.chat2response_reasoning
    return EngineOptions(
        reasoning=None if reasoning == "auto" else reasoning,
        fidelity=settings.chat2response_fidelity,
        max_output=settings.chat2response_max_output_bytes,
    )


def json_object(text: str) -> dict[str, Any]:
    """Parses the JSON object in a setting. Raises ValueError."""
    example = 'write a JSON object, for example {"developer_role": true}'
    try:
        value = decode(text)
    except JSONError as error:
        raise ValueError(f"it is not JSON ({error}); {example}") from None
    if type(value) is not dict:
        raise ValueError(example)
    return value


def _proxy(name: str, url: SecretStr | None) -> Proxy | None:
    """Parses the proxy in the variable `name`. Raises SettingsError."""
    try:
        return None if url is None else Proxy.of(url.get_secret_value().strip())
    except ValueError as error:
        hint = "To use no proxy, set CHAT2RESPONSE_NO_PROXY=1."
        raise SettingsError(f"{name}: {error}. {hint}") from None
