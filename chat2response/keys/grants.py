"""What a key may do: the grants among its scopes.

    endpoint:chat | responses | models     APIs the key may call (`/proxy` takes Chat requests: `chat`)
    model:<glob>                           models, by the name in the client's request
    upstream:<name>                        upstreams: `chat`, `responses`, `demo`
    tool:<glob>                            hosted tools, by type (`web_search`), `mcp` by
                                           `mcp.<server_label>`; functions, which the client runs, need none
    net:<cidr>                             client addresses
    admin:<area>                           areas of the admin plane: `keys`, `usage`, `audit`, `*`

A key without grants of a kind may use everything of that kind, except `admin`, which always needs a grant.
Any other scope is a label and restricts nothing. An invalid grant allows nothing, and still restricts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from chat2response.errors import Forbidden

ENDPOINTS = frozenset({"chat", "responses", "models"})
UPSTREAMS = frozenset({"chat", "responses", "demo"})
ADMIN = frozenset({"keys", "usage", "audit", "reload", "metrics", "*"})
_MAX_SHOWN = 100  # characters of a scope in a warning
_MIN_SIMILARITY = 0.8  # of 1: a word this similar to a kind is taken for a typo of it
_KINDS = ("endpoint", "model", "upstream", "tool", "net", "admin")

Network = IPv4Network | IPv6Network
Patterns = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants of each kind; None: everything is allowed."""

    endpoints: Patterns = None
    models: Patterns = None
    upstreams: Patterns = None
    tools: Patterns = None
    nets: tuple[Network, ...] | None = None
    admin: tuple[str, ...] = ()

    @property
    def restrict_body(self) -> bool:
        """Whether the grants restrict something that only a request's body shows."""
        return self.models is not None or self.tools is not None

    def check_endpoint(self, endpoint: str) -> None:
        """Raises Forbidden if the key may not call this API."""
        if self.endpoints is not None and endpoint not in self.endpoints:
            raise _refused(f"endpoint:{endpoint}", f"call the endpoint '{endpoint}'")

    def check_address(self, address: str | None) -> None:
        """Raises Forbidden if the key may not be used from this address (None: a Unix socket)."""
        if self.nets is not None and not _within(address, self.nets):
            raise _refused(f"net:{address or 'unknown'}", "be used from this address")

    def check_model(self, model: str) -> None:
        """Raises Forbidden if no `model:` grant covers this model."""
        if self.models is not None and not _matches(model, self.models):
            raise _refused(f"model:{model}", f"use the model '{model}'", param="model")

    def check_upstream(self, name: str) -> None:
        """Raises Forbidden if the key may not use this upstream."""
        if self.upstreams is not None and name not in self.upstreams:
            raise _refused(f"upstream:{name}", f"reach the upstream '{name}'")

    def check_tools(self, names: Iterable[str]) -> None:
        """Raises Forbidden for the first hosted tool that no `tool:` grant covers."""
        for name in names if self.tools is not None else ():
            if not _matches(name, self.tools or ()):
                raise _refused(f"tool:{name}", f"use the hosted tool '{name}'", param="tools")

    def allows_admin(self, area: str) -> bool:
        """Whether the key may use this area of the admin plane."""
        return area in self.admin or "*" in self.admin


@lru_cache(maxsize=4096)
def grants_of(scopes: tuple[str, ...] | None) -> Grants:
    """The grants among a key's scopes."""
    values = {kind: _values(scopes or (), kind) for kind in _KINDS}
    nets = values["net"]
    return Grants(
        endpoints=values["endpoint"],
        models=values["model"],
        upstreams=values["upstream"],
        tools=values["tool"],
        nets=None if nets is None else tuple(net for text in nets if (net := _network(text)) is not None),
        admin=values["admin"] or (),
    )


def scope_error(scope: str) -> str | None:
    """What is wrong with a scope that has a grant's kind; None for a valid grant or a label."""
    kind, separator, value = scope.partition(":")
    if not separator or kind not in _KINDS:
        return None
    if not value:
        return f"'{scope}' grants nothing: write a value after the colon"
    known = {"endpoint": ENDPOINTS, "upstream": UPSTREAMS, "admin": ADMIN}.get(kind)
    if known is not None and value not in known:
        return f"'{scope}' is unknown: {kind}: takes one of {', '.join(sorted(known))}"
    if kind == "net" and _network(value) is None:
        return f"'{scope}' is not a network: write net:10.0.0.0/8 or net:2001:db8::/32"
    return None


def scope_warnings(scopes: Iterable[str]) -> Iterator[str]:
    """A sentence for each label that is probably a mistyped grant. In ASCII, on one line."""
    for scope in (each[:_MAX_SHOWN] for each in scopes):
        for separator in ":=":
            prefix, match, value = scope.partition(separator)
            kind = _similar_kind(prefix.strip().lower()) if match else None
            if kind is not None and not scope.startswith(f"{kind}:"):
                yield (
                    f"{scope!a} is a label and restricts nothing. Did you mean {f'{kind}:{value.strip()}'!a}?"
                )
                break


def _similar_kind(word: str) -> str | None:
    return next(iter(get_close_matches(word, _KINDS, n=1, cutoff=_MIN_SIMILARITY)), None)


def _values(scopes: Sequence[str], kind: str) -> Patterns:
    prefix = f"{kind}:"
    values = tuple(scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix))
    return values or None


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _within(address: str | None, nets: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    forms = {parsed, getattr(parsed, "ipv4_mapped", None) or parsed}
    return any(form.version == net.version and form in net for net in nets for form in forms)


def _refused(missing: str, operation: str, *, param: str | None = None) -> Forbidden:
    return Forbidden(
        f"This key may not {operation}: none of its scopes grants '{missing}'.",
        code="insufficient_scope",
        param=param,
    )
