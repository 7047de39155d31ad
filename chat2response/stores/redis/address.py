"""The address of a Redis: one server (`redis://`, `unix://`), a cluster, or a master behind Sentinels, with
or without TLS; validated before it is used or shown.

An address may contain a password. If it is not percent-encoded, parts of it are parsed as the port, the path
or the fragment; libraries then quote it in their errors or silently connect to something else. So an address
that is not exactly valid is refused here, with a message that repeats nothing of it but the scheme.
"""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

_FORMS = {
    "redis": "redis://[user:password@]host[:port][/database]",
    "rediss": "rediss://[user:password@]host[:port][/database][?ssl_ca_certs=file]",
    "unix": "unix://[user:password@]/path/to/redis.sock[?db=number]",
    "redis+cluster": "redis+cluster://[user:password@]host[:port][,host[:port]...]",
    "rediss+cluster": "rediss+cluster://[user:password@]host[:port][,host[:port]...][?ssl_ca_certs=file]",
    "redis+sentinel": "redis+sentinel://[user:password@]host[:port][,host[:port]...]/master[?db=number]",
    "rediss+sentinel": "rediss+sentinel://[user:password@]host[:port][,host...]/master[?ssl_ca_certs=file]",
}
SCHEMES = tuple(_FORMS)
_PORTS = {"sentinel": 26379}
_TLS = {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
_SENTINEL = {"db", "sentinel_username", "sentinel_password"}
# Allowed query options; none of them may remove a deadline or change the form of replies.
_OPTIONS: dict[str, set[str]] = {
    "redis": {"db"},
    "rediss": {"db"} | _TLS,
    "unix": {"db", "username", "password"},
    "redis+cluster": set(),
    "rediss+cluster": _TLS,
    "redis+sentinel": _SENTINEL,
    "rediss+sentinel": _SENTINEL | _TLS,
}


def check(url: str) -> None:
    """Raises ValueError for an invalid address; the message repeats nothing of it but the scheme."""
    scheme = url.partition(":")[0]
    if scheme not in SCHEMES:
        raise ValueError(
            "a Redis address is a URL: redis://, rediss:// or unix://, redis+cluster:// or redis+sentinel://"
        )
    form = f"a Redis address has the form {_FORMS[scheme]}"
    options: dict[str, str] = {}
    try:
        parts = urlsplit(url)
        sound = _is_whole(parts) and _names_a_server(parts)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{form}. In a password, percent-encode every character but letters and digits")
    if unknown := options.keys() - _OPTIONS[scheme]:
        known = ", ".join(sorted(_OPTIONS[scheme]))
        allowed = f"Use only {known}" if known else "Remove them"
        raise ValueError(f"{form}. {len(unknown)} of its options are not supported. {allowed}")
    if not options.get("db", "0").isdecimal():
        raise ValueError(f"{form}. db must be a number")


def nodes(url: str) -> list[tuple[str, int]]:
    """Host and port of each server in a valid address of a cluster or of Sentinels."""
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme.partition("+")[2], 6379)
    servers = [urlsplit(f"//{server}") for server in _servers(parts)]
    return [(server.hostname or "", server.port or port) for server in servers]


def master(url: str) -> str:
    """The Sentinels' name for the master."""
    return urlsplit(url).path.removeprefix("/")


def single(url: str, server: str) -> str:
    """The address of one server (`host:port`) with the login, TLS and database of a valid address."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    options = [each for each in parts.query.split("&") if each and not each.startswith("sentinel_")]
    query = f"?{'&'.join(options)}" if options else ""
    return f"{parts.scheme.partition('+')[0]}://{login}{at}{server}{query}"


def shown(url: str) -> str:
    """A valid address without user, password and options, to show to the operator."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_whole(parts: SplitResult) -> bool:
    """Whether no part of a password was parsed as something else: no fragment, one `@` at most."""
    return not (parts.fragment or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query)


def _servers(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _names_a_server(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return parts.path.startswith("/") and parts.path != "/" and not parts.hostname
    allows_several = "+" in parts.scheme
    servers = _servers(parts)
    # `port` raises ValueError if it is not a number.
    named = all((each := urlsplit(f"//{server}")).hostname and each.port != 0 for server in servers)
    paths = {"cluster": "/?", "sentinel": r"/[A-Za-z0-9._-]+"}
    path = paths.get(parts.scheme.partition("+")[2], r"(/\d*)?")
    return named and (allows_several or len(servers) == 1) and re.fullmatch(path, parts.path) is not None
