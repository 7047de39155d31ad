"""`chat2response start`: runs the gateway and prints its banner."""

import sys
from collections.abc import Iterator

from chat2response.api.http.cors import ANY
from chat2response.compose.api import cors
from chat2response.compose.keys import seal_keys
from chat2response.compose.upstreams import profile_name, upstream_proxy
from chat2response.observe.redact import shown_url
from chat2response.server import workers
from chat2response.server.bootstrap import PreparedGateway, prepare, read_settings
from chat2response.server.nonblocking_output import NonBlockingOutput
from chat2response.server.start_options import StartOptions
from chat2response.settings import AuthMode, Settings, UpstreamMode
from chat2response.stores.redis import address


def start(options: StartOptions) -> None:
    """Serves until a signal stops the gateway."""
    settings = read_settings(options)
    count = settings.chat2response_workers
    with prepare(settings, options) as prepared:
        output = NonBlockingOutput(lambda: sys.stdout)
        workers.run(prepared, count, lambda: output.write("\n".join((*banner(prepared, count), ""))))


def banner(prepared: PreparedGateway, count: int = 1) -> Iterator[str]:
    """The lines printed at start. They show a newly generated admin token, which is never shown again."""
    settings = prepared.services.settings
    workers_note = f" ({count} workers)" if count > 1 else ""
    yield f"chat2response {prepared.services.about.version} on {prepared.url}{workers_note}"
    yield f"  upstream  {_upstream(settings)}"
    yield f"  keys      {_keys(settings, prepared.store)}"
    if settings.unmanaged_reason is not None:
        yield "            keys issued at POST /keys/generate have no effect: the gateway does not check keys"
    yield from _sealing(prepared)
    yield f"  admin     {_admin(prepared)}"
    if settings.auth_mode is AuthMode.OPEN and ANY in cors(settings).origins:
        yield "  WARNING   any web page can call this gateway at your expense: CORS_ALLOWED_ORIGINS=* and no"
        yield "            key is required. List the origins that you trust in CORS_ALLOWED_ORIGINS"
    token = prepared.admin_token
    if token is not None and token.created:
        yield f"            generated now, and shown only once: {token.value}"


def _admin(prepared: PreparedGateway) -> str:
    settings, token = prepared.services.settings, prepared.admin_token
    where = f"on {prepared.admin_url}, " if prepared.admin_listeners else ""
    if settings.chat2response_admin_token is not None:
        return f"{where}with the token in CHAT2RESPONSE_ADMIN_TOKEN"
    networks = settings.chat2response_admin_allow
    allowed = "this machine" if networks is None else f"{networks} (CHAT2RESPONSE_ADMIN_ALLOW)"
    if token is None:
        return f"{where}from {allowed} only"
    return f"{where}from {allowed}; from elsewhere with the token in {token.path.absolute()}"


def _sealing(prepared: PreparedGateway) -> Iterator[str]:
    """The key that seals reasoning for clients to store; several gateways must share one."""
    if seal_keys(prepared.services.settings):
        yield "  sealing   with the first key in CHAT2RESPONSE_SEAL_KEY"
    elif prepared.seal_keys is not None:
        yield f"  sealing   with the key in {prepared.seal_keys.path.absolute()}"
        if prepared.store.partition(":")[0] in address.SCHEMES:
            yield "            SEVERAL GATEWAYS on one Redis must share one CHAT2RESPONSE_SEAL_KEY: with its"
            yield "            own key, each can open only the reasoning that it sealed itself"


def _keys(settings: Settings, store: str) -> str:
    match settings.auth_mode:
        case AuthMode.MANAGED:
            return f"issued at POST /keys/generate, stored in {store}"
        case AuthMode.OPEN:
            return "OPEN: no key is required; all callers share one tenant and its stored data"
        case AuthMode.PASSTHROUGH:
            return f"none: the upstream gets each client's own key ({settings.unmanaged_reason})"


def _upstream(settings: Settings) -> str:
    mode = settings.upstream_mode
    if mode is UpstreamMode.DEMO:
        return "demo, built in: no network, no model"
    apis = "responses and chat" if mode is UpstreamMode.BOTH else mode.value
    where = shown_url(settings.base_url)
    if settings.openai_api_key is None and settings.auth_mode is not AuthMode.PASSTHROUGH:
        where += ", without a key"
    if mode is not UpstreamMode.RESPONSES:
        changed = ", changed by CHAT2RESPONSE_QUIRKS" if settings.chat2response_quirks is not None else ""
        where += f", profile {profile_name(settings)}{changed}"
    if settings.chat2response_upstream_model is not None:
        where += f", always with the model {settings.chat2response_upstream_model.strip()}"
    if (proxy := upstream_proxy(settings)) is not None:
        where += f", through the proxy {proxy}"
    if settings.openai_base_url is None:
        return f"{apis} at {where} (the OpenAI API; OPENAI_BASE_URL sets another address)"
    return f"{apis} at {where}"
