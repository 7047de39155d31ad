"""The `curl` of the manual: its command lines, read as a shell and curl read them, and sent.

Only what the manual types is known (-X, -H, -d, -s, -N, -i, a URL); anything else is an error. So the
commands are tested wherever there is Python, with curl or without.
"""

import shlex
from string import Template

import httpx

_BARE = {"-s", "-N", "-i", "-sS"}


async def curl(line: str, http: httpx.AsyncClient, **variables: str) -> httpx.Response:
    """Sends what `line` says. `$NAME` in it is a variable, within double quotes or without, as in a shell."""
    words = shlex.split(Template(line).substitute(variables))
    assert words.pop(0) == "curl", line
    method, url, body = "", "", None
    headers = {}
    while words:
        word = words.pop(0)
        if word in _BARE:
            continue
        if word in ("-X", "--request"):
            method = words.pop(0)
        elif word in ("-H", "--header"):
            name, _, value = words.pop(0).partition(":")
            headers[name.strip().lower()] = value.strip()
        elif word in ("-d", "--data"):
            body = words.pop(0)
        else:
            assert not word.startswith("-") and not url, f"not of the manual: {word}"
            url = word
    if body is not None:  # as curl does
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    method = method or ("GET" if body is None else "POST")
    return await http.request(method, url, headers=headers, content=body)
