"""No spelling of an admin path opens it without a token: every path, character, position and encoding."""

import math
import random
from pathlib import Path
from urllib.parse import quote

from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.loops import SECONDS, Loop
from tests.support.soak.raw_http import ask, request

OPEN = {
    "/", "/docs", "/openapi.json", "/status", "/proxy", "/convert", "/v1/responses", "/responses",
    "/v1/chat/completions", "/chat/completions", "/v1/models", "/v1/models/{model}", "/models",
    "/models/{model}",
    "/livez", "/readyz", "/healthz", "/health",
}  # fmt: skip
"""Public paths; every other path in the gateway's OpenAPI document belongs to the admin plane."""
BEYOND = ("/reload", "/keys/", "/audit/x")
"""Admin paths that the document does not list."""
CHARACTERS = 0x300
FORMS = ("percent", "raw", "twice")
REFUSALS = {400, 401, 403, 404, 405, 414, 415, 429, 431}


async def admin_paths(running: Gateway) -> list[tuple[str, str]]:
    """Method and path of each admin endpoint, from the gateway's document."""
    document = (await ask(running.port, request("GET", "/openapi.json"), method="GET")).json()
    paths = [
        (method.upper(), path.replace("{id}", "x" * 8))
        for path, methods in document["paths"].items()
        if path not in OPEN
        for method in methods
        if method in ("get", "post")
    ]
    assert ("GET", "/keys") in paths and ("POST", "/keys/generate") in paths
    return sorted(paths) + [("GET", path) for path in BEYOND]


def spelled(character: str, form: str) -> bytes:
    """The bytes of a character in a request target."""
    if form == "raw":
        return character.encode("latin-1" if ord(character) < 0x100 else "utf-8")
    once = quote(character, safe="") if not character.isalnum() else f"%{ord(character):02x}"
    if ord(character) > 0x7F:
        once = quote(character)
    return (once if form == "percent" else once.replace("%", "%25")).encode()


async def test_the_ends_of_paths(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """The ends of paths, where patterns are most lenient (`$` matches before a newline); all in every run."""
    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:
        paths = [path for method, path in await admin_paths(running) if method == "GET"]
        ends = [f"{path}%{code:02x}" for path in paths for code in (*range(0x21), 0x7F, 0x85, 0xA0)]

        async def attack(number: int, rng: random.Random) -> str:
            return await check_refused(running, "GET", ends[number % len(ends)].encode())

        await loop.run(attack, per_round=len(ends), most=len(ends))


async def test_paths(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:
        paths = await admin_paths(running)
        places = [(method, path, at) for method, path in paths for at in range(1, len(path) + 1)]
        total = len(places) * CHARACTERS * len(FORMS)
        step = next(n for n in range(1_000_003, 2_000_000) if math.gcd(n, total) == 1)

        async def attack(number: int, rng: random.Random) -> str:
            # A walk that visits every combination once, and spreads over all of them from the start.
            remainder, form = divmod((number * step + loop.dose.seed) % total, len(FORMS))
            at, character = divmod(remainder, CHARACTERS)
            method, path, place = places[at]
            spelling = spelled(chr(character), FORMS[form])
            if spelling in (b" ", b"\r", b"\n"):
                return "no request line"
            target = path[:place].encode() + spelling + path[place:].encode()
            return await check_refused(running, method, target)

        for method, path in paths:
            assert await check_refused(running, method, path.encode()) in ("401", "404"), path
        await loop.run(
            attack,
            per_round=200 if not loop.dose.long else total,
            most=total,
            seconds=10 if loop.dose.long else SECONDS,
        )


async def check_refused(running: Gateway, method: str, target: bytes) -> str:
    """Checks that a request without a token is refused; returns its status."""
    if target.startswith((b"/?", b"/#")):
        return "another path"
    body = b"{}" if method == "POST" else None
    answer = await ask(
        running.port, request(method, target, body, "Content-Type: application/json"), method=method
    )
    assert answer.status in REFUSALS, f"{method} {target!r} is answered {answer}"
    return str(answer.status)
