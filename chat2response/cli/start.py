"""`chat2response start`: the gateway, and the few lines that tell what was started."""

import sys
from collections.abc import Iterator

from chat2response.api.http.cors import ANY
from chat2response.compose.api import cors
from chat2response.compose.keys import seal_keys
from chat2response.compose.upstreams import profile_name, upstream_proxy
from chat2response.observe.redact import shown_url
from chat2response.server import workers
from chat2response.server.bootstrap import Prepared, prepared, read_settings
from chat2response.server.nonblocking_output import Outlet
from chat2response.server.start_options import Choices
from chat2response.settings import AuthMode, Settings, UpstreamMode
from chat2response.stores.redis import address


def start(choices: Choices) -> None:
    """Serves until it is told to stop."""
    settings = read_settings(choices)
    count = settings.chat2response_workers
    with prepared(settings, choices) as ready:
        out = Outlet(lambda: sys.stdout)
        workers.run(ready, count, lambda: out.write("\n".join((*banner(ready, count), ""))))


def banner(ready: Prepared, count: int = 1) -> Iterator[str]:
    """What matters, a line each. It shows an admin token that was made just now, and never again."""
    settings = ready.services.settings
    by = f" ({count} workers)" if count > 1 else ""
    yield f"chat2response {ready.services.about.version} on {ready.url}{by}"
    yield f"  upstream  {_upstream(settings)}"
    yield f"  keys      {_keys(settings, ready.store)}"
    if settings.unmanaged_reason is not None:
        yield "            those issued at POST /keys/generate are asked for by nobody, and open nothing"
    yield from _sealing(ready)
    yield f"  admin     {_admin(ready)}"
    if settings.auth_mode is AuthMode.OPEN and ANY in cors(settings).origins:
        yield "  WARNING   any web page that somebody here opens may call, at the operator's expense:"
        yield "            CORS_ALLOWED_ORIGINS=* and nobody is asked for a key. Name the origins that may"
    token = ready.admin_token
    if token is not None and token.created:
        yield f"            made just now, and shown this once: {token.value}"


def _admin(ready: Prepared) -> str:
    settings, token = ready.services.settings, ready.admin_token
    where = f"on {ready.admin_url}, " if ready.admin_listeners else ""
    if settings.chat2response_admin_token is not None:
        return f"{where}with the token of CHAT2RESPONSE_ADMIN_TOKEN"
    asked = settings.chat2response_admin_allow
    allowed = "this machine" if asked is None else f"{asked} (CHAT2RESPONSE_ADMIN_ALLOW)"
    if token is None:
        return f"{where}from {allowed} only"
    return f"{where}from {allowed}; from elsewhere with the token in {token.path.absolute()}"


def _sealing(ready: Prepared) -> Iterator[str]:
    """Who opens the reasoning that clients keep for us; several gateways have to be told one key."""
    if seal_keys(ready.services.settings):
        yield "  sealing   with the first key of CHAT2RESPONSE_SEAL_KEY"
    elif ready.seal_keys is not None:
        yield f"  sealing   with the key in {ready.seal_keys.path.absolute()}"
        if ready.store.partition(":")[0] in address.SCHEMES:
            yield "            SEVERAL GATEWAYS on one Redis need one CHAT2RESPONSE_SEAL_KEY: with a key"
            yield "            of its own, each opens only the reasoning that it sealed itself"


def _keys(settings: Settings, store: str) -> str:
    match settings.auth_mode:
        case AuthMode.MANAGED:
            return f"issued at POST /keys/generate, kept in {store}"
        case AuthMode.OPEN:
            return (
                "OPEN: nobody is asked for one; all callers are one tenant and share whatever is kept for it"
            )
        case AuthMode.PASSTHROUGH:
            return f"none of ours: each client's own key goes up ({settings.unmanaged_reason})"


def _upstream(settings: Settings) -> str:
    mode = settings.upstream_mode
    if mode is UpstreamMode.DEMO:
        return "demo, built in: no network, no model"
    speaks = "responses and chat" if mode is UpstreamMode.BOTH else mode.value
    where = shown_url(settings.base_url)
    if settings.openai_api_key is None and settings.auth_mode is not AuthMode.PASSTHROUGH:
        where += ", without a key"
    if mode is not UpstreamMode.RESPONSES:
        changed = ", changed by CHAT2RESPONSE_QUIRKS" if settings.chat2response_quirks is not None else ""
        where += f", profile {profile_name(settings)}{changed}"
    if settings.chat2response_upstream_model is not None:
        where += f", always as {settings.chat2response_upstream_model.strip()}"
    if upstream_proxy(settings) is not None:
        where += f", through the proxy {upstream_proxy(settings)}"
    if settings.openai_base_url is None:
        return f"{speaks} at {where} (OpenAI's own address; OPENAI_BASE_URL names another)"
    return f"{speaks} at {where}"
