"""What a key may do: the grants among its scopes.

    endpoint:chat | responses | models     the APIs it may call (`/proxy` takes Chat requests: `chat`)
    model:<glob>                           models, by the name that the client uses
    upstream:<name>                        upstreams: `chat`, `responses`, `demo`
    tool:<glob>                            hosted tools a request may ask for, by type (`web_search`);
                                           `mcp` by `mcp.<server_label>`. Functions run at the client's own
    net:<cidr>                             addresses it may be used from
    admin:<what>                           parts of the admin plane: `keys`, `usage`, `audit`, `*`

No grant of a kind allows everything of that kind, except that nobody is an admin unasked. Any other string is
a label for people and restricts nothing. A grant that cannot be read grants nothing, and still restricts.
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
_SHOWN = 100  # characters of a scope
_NEAR = 0.8  # of 1: how like a kind a word must be to be taken for a slip of it
_KINDS = ("endpoint", "model", "upstream", "tool", "net", "admin")

Network = IPv4Network | IPv6Network
Words = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Grants:
    """Of each kind what is granted; None: everything."""

    endpoints: Words = None
    models: Words = None
    upstreams: Words = None
    tools: Words = None
    nets: tuple[Network, ...] | None = None
    admin: tuple[str, ...] = ()

    @property
    def of_body(self) -> bool:
        """Whether a request's body has to be looked into."""
        return self.models is not None or self.tools is not None

    def check_endpoint(self, endpoint: str) -> None:
        """Raises Forbidden where the key may not call this API."""
        if self.endpoints is not None and endpoint not in self.endpoints:
            raise _refused(f"endpoint:{endpoint}", f"call the endpoint '{endpoint}'")

    def check_address(self, address: str | None) -> None:
        """Raises Forbidden for a client at another address; None: one that has none (a Unix socket)."""
        if self.nets is not None and not _within(address, self.nets):
            raise _refused(f"net:{address or 'unknown'}", "be used from this address")

    def check_model(self, model: str) -> None:
        """Raises Forbidden for a model that no `model:` grant covers."""
        if self.models is not None and not _matches(model, self.models):
            raise _refused(f"model:{model}", f"use the model '{model}'", param="model")

    def check_upstream(self, name: str) -> None:
        """Raises Forbidden where the call would go to another upstream."""
        if self.upstreams is not None and name not in self.upstreams:
            raise _refused(f"upstream:{name}", f"reach the upstream '{name}'")

    def check_tools(self, names: Iterable[str]) -> None:
        """Raises Forbidden for the first hosted tool that no `tool:` grant covers."""
        for name in names if self.tools is not None else ():
            if not _matches(name, self.tools or ()):
                raise _refused(f"tool:{name}", f"use the hosted tool '{name}'", param="tools")

    def allows_admin(self, what: str) -> bool:
        """Whether it may use this part of the admin plane."""
        return what in self.admin or "*" in self.admin


@lru_cache(maxsize=4096)
def grants_of(scopes: tuple[str, ...] | None) -> Grants:
    """The grants among a key's scopes."""
    said = {kind: _said(scopes or (), kind) for kind in _KINDS}
    nets = said["net"]
    return Grants(
        endpoints=said["endpoint"],
        models=said["model"],
        upstreams=said["upstream"],
        tools=said["tool"],
        nets=None if nets is None else tuple(net for word in nets if (net := _network(word)) is not None),
        admin=said["admin"] or (),
    )


def mistake(scope: str) -> str | None:
    """What is wrong with a scope that looks like a grant and is none; None for a good one, and for labels."""
    kind, separator, word = scope.partition(":")
    if not separator or kind not in _KINDS:
        return None
    if not word:
        return f"'{scope}' grants nothing: write what after the colon"
    known = {"endpoint": ENDPOINTS, "upstream": UPSTREAMS, "admin": ADMIN}.get(kind)
    if known is not None and word not in known:
        return f"'{scope}' is unknown: {kind}: takes {', '.join(sorted(known))}"
    if kind == "net" and _network(word) is None:
        return f"'{scope}' is no network: write net:10.0.0.0/8 or net:2001:db8::/32"
    return None


def doubts(scopes: Iterable[str]) -> Iterator[str]:
    """A sentence for each label that is most likely a grant with a slip in it. In ASCII, on one line."""
    for scope in (each[:_SHOWN] for each in scopes):
        for separator in ":=":
            kind, found, word = scope.partition(separator)
            meant = _kind_meant_by(kind.strip().lower()) if found else None
            if meant is not None and not scope.startswith(f"{meant}:"):
                yield (
                    f"{scope!a} is a label and restricts nothing. Did you mean {f'{meant}:{word.strip()}'!a}?"
                )
                break


def _kind_meant_by(word: str) -> str | None:
    return next(iter(get_close_matches(word, _KINDS, n=1, cutoff=_NEAR)), None)


def _said(scopes: Sequence[str], kind: str) -> Words:
    prefix = f"{kind}:"
    words = tuple(scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix))
    return words or None


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _network(word: str) -> Network | None:
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None


def _within(address: str | None, nets: Sequence[Network]) -> bool:
    try:
        given = ip_address(address or "")
    except ValueError:
        return False
    forms = {given, getattr(given, "ipv4_mapped", None) or given}
    return any(form.version == net.version and form in net for net in nets for form in forms)


def _refused(missing: str, what: str, *, param: str | None = None) -> Forbidden:
    return Forbidden(
        f"This key may not {what}: none of its scopes grants '{missing}'.",
        code="insufficient_scope",
        param=param,
    )
