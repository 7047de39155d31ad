"""The address of a Redis: one server (`redis://`, `unix://`), a cluster, or what Sentinels watch, with or
without TLS; checked before it is used or shown.

An address may hold a password, and a password that was not percent-encoded moves into the port, the path or
the fragment, from where libraries quote it in their errors or connect to something else without a word. So
whatever is not exactly an address is refused here, by a text that repeats nothing of it.
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
# What may follow the `?`. Nothing that would undo a deadline or change the shape of answers.
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
    """Raises ValueError for what is no address of a Redis; the text repeats nothing but its scheme."""
    scheme = url.partition(":")[0]
    if scheme not in SCHEMES:
        raise ValueError(
            "a Redis is named by a URL: redis://, rediss:// or unix://, redis+cluster:// or redis+sentinel://"
        )
    form = f"a Redis is named as {_FORMS[scheme]}"
    options: dict[str, str] = {}
    try:
        parts = urlsplit(url)
        sound = _is_whole(parts) and _names_a_server(parts)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{form}; in a password, write what is no letter or digit as %XX")
    if unknown := options.keys() - _OPTIONS[scheme]:
        known = ", ".join(sorted(_OPTIONS[scheme]))
        only = f"only {known} can" if known else "none can"
        raise ValueError(f"{form}: {len(unknown)} of its options cannot be set here, {only}")
    if not options.get("db", "0").isdecimal():
        raise ValueError(f"{form}: db is a number")


def nodes(url: str) -> list[tuple[str, int]]:
    """Host and port of each server that a checked address of a cluster or of Sentinels names."""
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme.partition("+")[2], 6379)
    servers = [urlsplit(f"//{server}") for server in _servers(parts)]
    return [(server.hostname or "", server.port or port) for server in servers]


def master(url: str) -> str:
    """The name under which Sentinels know what they watch."""
    return urlsplit(url).path.removeprefix("/")


def single(url: str, server: str) -> str:
    """The address of one server (`host:port`) with the login, the TLS and the database of a checked one."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    options = [each for each in parts.query.split("&") if each and not each.startswith("sentinel_")]
    query = f"?{'&'.join(options)}" if options else ""
    return f"{parts.scheme.partition('+')[0]}://{login}{at}{server}{query}"


def shown(url: str) -> str:
    """A checked address without user, password and options, for the operator's eyes."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_whole(parts: SplitResult) -> bool:
    """Nothing slid out of the password: no fragment, and one `@` at most, in its place."""
    return not (parts.fragment or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query)


def _servers(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _names_a_server(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return parts.path.startswith("/") and parts.path != "/" and not parts.hostname
    several = "+" in parts.scheme
    servers = _servers(parts)
    # `port` raises ValueError where it is no number.
    named = all((each := urlsplit(f"//{server}")).hostname and each.port != 0 for server in servers)
    paths = {"cluster": "/?", "sentinel": r"/[A-Za-z0-9._-]+"}
    path = paths.get(parts.scheme.partition("+")[2], r"(/\d*)?")
    return named and (several or len(servers) == 1) and re.fullmatch(path, parts.path) is not None
