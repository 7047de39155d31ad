"""The address of a Redis: `redis://`, `rediss://` (TLS) or `unix://`, checked before it is used or shown.

An address may hold a password, and a password that was not percent-encoded moves into the port, the path or
the fragment, from where libraries quote it in their errors or connect to something else without a word. So
whatever is not exactly an address is refused here, by a text that repeats nothing of it.
"""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

SCHEMES = ("redis", "rediss", "unix")

_FORMS = {
    "redis": "redis://[user:password@]host[:port][/database]",
    "rediss": "rediss://[user:password@]host[:port][/database][?ssl_ca_certs=file]",
    "unix": "unix://[user:password@]/path/to/redis.sock[?db=number]",
}
_TLS = {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
# What may follow the `?`. Nothing that would undo a deadline or change the shape of answers.
_OPTIONS = {"redis": {"db"}, "rediss": {"db"} | _TLS, "unix": {"db", "username", "password"}}


def check(url: str) -> None:
    """Raises ValueError for what is no address of a Redis; the text repeats nothing but its scheme."""
    scheme = url.partition(":")[0]
    if scheme not in SCHEMES:
        raise ValueError("a Redis is named by a URL: redis://, rediss:// or unix://")
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
        raise ValueError(f"{form}: {len(unknown)} of its options cannot be set here, only {known} can")
    if not options.get("db", "0").isdecimal():
        raise ValueError(f"{form}: db is a number")


def shown(url: str) -> str:
    """A checked address without user, password and options, for the operator's eyes."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_whole(parts: SplitResult) -> bool:
    """Nothing slid out of the password: no fragment, and one `@` at most, in its place."""
    return not (parts.fragment or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query)


def _names_a_server(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return parts.path.startswith("/") and parts.path != "/" and not parts.hostname
    # `port` raises ValueError where it is no number.
    return bool(parts.hostname) and parts.port != 0 and re.fullmatch(r"(/\d*)?", parts.path) is not None
