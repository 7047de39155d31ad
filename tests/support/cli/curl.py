"""Parses the manual's `curl` commands like a shell and curl, and sends the requests.

It knows only the options that the manual uses (-X, -H, -d, -s, -N, -i) and a URL; anything else is an error.
So the tests do not need curl.
"""

import shlex
from string import Template

import httpx

_IGNORED = {"-s", "-N", "-i", "-sS"}


async def curl(line: str, http: httpx.AsyncClient, **variables: str) -> httpx.Response:
    """Sends the request of `line`. `$NAME` in it is a variable, inside double quotes or outside."""
    args = shlex.split(Template(line).substitute(variables))
    assert args.pop(0) == "curl", line
    method, url, body = "", "", None
    headers = {}
    while args:
        arg = args.pop(0)
        if arg in _IGNORED:
            continue
        if arg in ("-X", "--request"):
            method = args.pop(0)
        elif arg in ("-H", "--header"):
            name, _, value = args.pop(0).partition(":")
            headers[name.strip().lower()] = value.strip()
        elif arg in ("-d", "--data"):
            body = args.pop(0)
        else:
            assert not arg.startswith("-") and not url, f"unexpected in a command of the manual: {arg}"
            url = arg
    if body is not None:  # curl's default
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    method = method or ("GET" if body is None else "POST")
    return await http.request(method, url, headers=headers, content=body)
