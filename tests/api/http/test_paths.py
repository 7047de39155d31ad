"""Admin paths with an extra character, and routes that are added later: the guard protects them all."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from chat2response.api.admin.rules import PATHS, AdminRules, guards
from chat2response.api.http.cors import Cors, CorsOptions
from chat2response.api.http.paths import has_control_characters
from chat2response.api.http.request import App, Message
from chat2response.api.management import unknown_routes
from chat2response.api.management.application import build_management
from tests.support.management_client import ELSEWHERE, Parts, client, client_of

TOKEN = "admin_0123456789abcdef"
RULES = AdminRules(TOKEN, always_require_token=True)
PAGE = {"origin": "https://app.example"}
ADMIN = [
    ("GET", "/keys"),
    ("GET", "/keys/x"),
    ("GET", "/keys/x/usage"),
    *(
        ("POST", f"/keys/{word}")
        for word in ("generate", "revoke", "set_expiration", "rotate", "update", "import", "purge")
    ),
    ("GET", "/usage"),
    ("GET", "/audit"),
    ("GET", "/metrics"),
]


async def status_of(app: App, method: str, path: str) -> int:
    """The status for a stranger; without an HTTP client, because there are many requests."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": (ELSEWHERE, 50_000),
        "server": ("10.0.0.2", 8088),
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disables the search for similar paths, which is slow."""
    monkeypatch.setattr(unknown_routes, "get_close_matches", lambda *args, **more: [])


def test_the_paths_below_are_all_there_are() -> None:
    document = build_management(Parts.plain()).openapi()["paths"]
    listed = {(m.upper(), path) for path, each in document.items() if guards(path) for m in each}
    assert {(method, path.replace("{id}", "x")) for method, path in listed} == set(ADMIN)


@pytest.mark.parametrize(("method", "path"), ADMIN, ids=[path for _, path in ADMIN])
async def test_no_character_at_any_place_opens_a_path(method: str, path: str, quick: None) -> None:
    """Percent-encoded characters arrive decoded: tests each character at each position."""
    app = build_management(Parts.plain(admin=RULES))
    for place in range(len(path) + 1):
        for code in range(0x300):
            params = f"{path[:place]}{chr(code)}{path[place:]}"
            status = await status_of(app, method, params)
            is_control = unicodedata.category(chr(code)) == "Cc"
            assert status == 404 if is_control else status in (401, 404), ascii(params)


@pytest.mark.parametrize("end", ["\n", "\r", "\0", "/", "//", "\n\n", "%0a", "?", "#", ";", ".", "\u2028"])
async def test_no_end_of_a_path_opens_it_on_the_data_face(end: str, quick: None) -> None:
    app = build_management(Parts.plain(admin=RULES), "data")
    for method, path in ADMIN:
        for other in (method, "HEAD", "OPTIONS", "DELETE"):
            assert await status_of(app, other, path + end) == 404
            assert await status_of(app, other, path) == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"])
async def test_no_method_does(method: str, quick: None) -> None:
    app = build_management(Parts.plain(admin=RULES))
    for _, path in ADMIN:
        for end in ("", "/", "/x", "//"):
            assert await status_of(app, method, path + end) == 401
        for start in ("/", "/.", "/docs/..", "//localhost"):
            assert await status_of(app, method, start + path) == 404


def test_no_control_character_is_overlooked() -> None:
    for code in range(0x300):
        assert has_control_characters(f"/a{chr(code)}b") is (unicodedata.category(chr(code)) == "Cc")
    assert has_control_characters("/a\u2028")
    assert not has_control_characters("/v1/models/größe 🙂/x")


async def open_endpoint(request: Any = None) -> PlainTextResponse:
    return PlainTextResponse("open")


def add_route(app: FastAPI) -> None:
    app.get("/new")(open_endpoint)


def add_plain_route(app: FastAPI) -> None:
    app.router.routes.append(Route("/new", open_endpoint))


def add_router(app: FastAPI) -> None:
    router = APIRouter()
    router.get("/new")(open_endpoint)
    app.include_router(router)


def add_mount(app: FastAPI) -> None:
    app.router.routes.append(Mount("/new", app=PlainTextResponse("open")))


def add_pattern(app: FastAPI) -> None:
    app.get("/{any:path}")(open_endpoint)


ADDED = [add_route, add_plain_route, add_router, add_mount, add_pattern]


@pytest.mark.parametrize("add", ADDED, ids=[each.__name__ for each in ADDED])
async def test_a_route_that_is_added_is_guarded_unless_it_is_said_to_be_public(
    add: Callable[[FastAPI], None],
) -> None:
    parts = Parts.plain(admin=RULES)
    app = build_management(parts)
    add(app)
    narrow = (await parts.keys.generate(scopes=["admin:keys", "admin:usage"])).token
    wide = (await parts.keys.generate(scopes=["admin:*"])).token
    async with client_of(app, ELSEWHERE) as http:
        for headers, expected in (({}, 401), (narrow, 403), (wide, 200), (TOKEN, 200)):
            params = headers if isinstance(headers, dict) else {"authorization": f"Bearer {headers}"}
            assert (await http.get("/new/", headers=params)).status_code in (expected, 404)
            assert (await http.get("/new", headers=params, follow_redirects=True)).status_code in (
                expected,
                404 if add is add_mount else expected,
            )
        assert (await http.get("/status")).status_code == 200
    data = build_management(parts, "data")
    add(data)
    async with client_of(data, ELSEWHERE, headers={"authorization": f"Bearer {TOKEN}"}) as http:
        assert (await http.get("/new")).status_code == 404


async def test_a_web_socket_is_closed() -> None:
    app = build_management(Parts.plain())
    app.router.routes.append(WebSocketRoute("/new", lambda socket: socket.accept()))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "path": "/new", "headers": [], "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    assert [each["type"] for each in sent] == ["websocket.close"]


# -- CORS ----------------------------------------------------------------------------------------------

ANY_ORIGIN = Cors(CorsOptions())


def allowed(answer: Any) -> bool:
    return "access-control-allow-origin" in answer.headers


async def test_errors_that_are_not_of_the_admin_plane_may_be_read_by_pages() -> None:
    for face in ("whole", "data"):
        app = build_management(Parts.plain(), face, ANY_ORIGIN)
        async with client_of(app, ELSEWHERE, headers=PAGE) as http:
            for method, path, status in (
                ("GET", "/v1/embeddings", 404),
                ("POST", "/v1/embeddings", 404),
                ("GET", "/v1/models/a%0a", 404),
                ("POST", "/status", 405),
                ("OPTIONS", "/v1/embeddings", 404),
            ):
                answer = await http.request(method, path)
                assert (answer.status_code, allowed(answer)) == (status, True), path
            body = {"access-control-request-method": "POST"}
            preflight = await http.request("OPTIONS", "/v1/embeddings", headers=body)
            assert (preflight.status_code, allowed(preflight)) == (204, True)
            assert "POST" in preflight.headers["access-control-allow-methods"]
            assert not allowed(await http.get("/status"))


async def test_what_fails_unexpectedly_may_be_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts.plain()
    monkeypatch.setattr(type(parts.about), "features", property(lambda self: 1 / 0), raising=False)
    async with client_of(build_management(parts, cors=ANY_ORIGIN), ELSEWHERE, headers=PAGE) as http:
        answer = await http.get("/status")
    assert (answer.status_code, allowed(answer)) == (500, True)


@pytest.mark.parametrize("peer", [ELSEWHERE, "127.0.0.1"])
async def test_nothing_of_the_admin_plane_or_near_it_may_be_read_by_a_page(peer: str) -> None:
    parts = Parts.plain(admin=RULES)
    for face in ("whole", "data", "admin"):
        app = build_management(parts, face, ANY_ORIGIN)
        async with client_of(app, peer, headers=PAGE | {"x-admin-token": TOKEN}) as http:
            for path in (*PATHS, *(f"{each}/x" for each in PATHS), "/keys%0a", "/keys/x%00"):
                for method in ("GET", "POST", "OPTIONS"):
                    body = {"access-control-request-method": "GET"}
                    answer = await http.request(method, path, headers=body)
                    assert answer.status_code in (403, 404), path
                    assert not allowed(answer), (face, method, path)


async def test_a_listener_of_the_admin_plane_alone_has_no_cors() -> None:
    app = build_management(Parts.plain(), "admin", ANY_ORIGIN)
    async with client_of(app, headers=PAGE) as http:
        assert not allowed(await http.get("/v1/embeddings"))


async def test_a_path_with_a_line_break_is_shown_on_one_line() -> None:
    async with client(Parts.plain(), ELSEWHERE) as http:
        answer = await http.get("/keys%0aGET")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert "/keys?GET" in answer.json()["error"]["message"]
