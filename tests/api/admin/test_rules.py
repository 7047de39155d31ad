"""The rules of the admin plane: first as pure functions, then in front of the endpoints."""

import pytest

from chat2response.api.admin.rules import PATHS, AdminRules, Admitted, Refused, RequestFacts, decide, guards
from chat2response.api.http.client_address import ClientAddress, address_of, networks
from chat2response.api.management.application import build_management
from chat2response.errors import BridgeError, Forbidden, Unauthorized, UnsupportedMedia
from tests.support.management_client import ELSEWHERE, HERE, Parts, client

TOKEN = "admin_" + "7" * 64
OPEN = AdminRules()
GENERATED = AdminRules(TOKEN, host="0.0.0.0")
SET = AdminRules(TOKEN, always_require_token=True, host="0.0.0.0")
SENDER = ClientAddress(address_of(HERE))
PROXY = "192.0.2.99"
UNKNOWN = "0" * 32
GUARDED = [
    ("GET", "/keys", None),
    ("GET", "/metrics", None),
    ("GET", "/usage", None),
    ("GET", f"/keys/{UNKNOWN}/usage", None),
    ("POST", "/keys/generate", {}),
    ("POST", "/keys/revoke", {"id": UNKNOWN}),
    ("POST", "/keys/set_expiration", {"id": UNKNOWN, "ttl_seconds": 5}),
]


def facts(
    peer: str | None = HERE, host: str = "localhost:8088", *, version: str = "1.1", **headers: str
) -> RequestFacts:
    """A request from `peer`; underscores in header names become hyphens."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    scope = {
        "headers": pairs,
        "http_version": version,
        "client": None if peer is None else (peer, 50_000),
        "server": ("10.0.0.2", 8088),
    }
    return RequestFacts.of(scope, networks(PROXY))


def refusal(rules: AdminRules, a_visit: RequestFacts) -> BridgeError:
    decision = decide(rules, a_visit)
    assert isinstance(decision, Refused)
    return decision.error


def assert_admitted(rules: AdminRules, a_visit: RequestFacts) -> None:
    assert isinstance(decide(rules, a_visit), Admitted)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("rules", [OPEN, GENERATED])
def test_this_machine_needs_no_token(rules, peer):
    assert_admitted(rules, facts(peer))


@pytest.mark.parametrize("peer", [ELSEWHERE, "10.0.0.1", "::ffff:192.0.2.7", "fe80::1%eth0", "", None])
def test_nobody_else_gets_in_without_one(peer):
    assert type(refusal(OPEN, facts(peer))) is Forbidden
    assert type(refusal(GENERATED, facts(peer))) is Unauthorized


@pytest.mark.parametrize("rules", [GENERATED, SET])
@pytest.mark.parametrize("peer", [HERE, ELSEWHERE, None])
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer  {TOKEN}"},
        {"x_admin_token": TOKEN},
        {"x_admin_token": TOKEN, "authorization": "Bearer sk_client"},
    ],
)
def test_the_token_opens_from_anywhere_under_any_name(rules, peer, headers):
    assert_admitted(rules, facts(peer, "keys.example", **headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"x_admin_token": TOKEN[:-1]},
        {"x_admin_token": TOKEN + "7"},
        {"x_admin_token": ""},
        {"x_admin_token": "t\xf6ken"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN.upper()}"},
    ],
)
def test_what_is_nearly_the_token_does_not(headers):
    assert type(refusal(GENERATED, facts(ELSEWHERE, **headers))) is Unauthorized
    assert type(refusal(SET, facts(HERE, **headers))) is Unauthorized


def test_a_token_beyond_ascii_is_compared_as_bytes():
    assert_admitted(
        AdminRules("schlüssel-für-alles", always_require_token=True),
        facts(x_admin_token="schlÃ¼ssel-fÃ¼r-alles"),
    )


def test_a_token_that_the_operator_set_is_asked_for_here_too():
    error = refusal(SET, facts())
    assert error.status == 401
    assert error.code == "missing_admin_token"
    assert "CHAT2RESPONSE_ADMIN_TOKEN" in error.message
    assert error.headers["www-authenticate"].startswith("Bearer")


def test_the_texts_say_what_to_do_and_tell_nothing():
    missing, wrong = (
        refusal(GENERATED, facts(ELSEWHERE)),
        refusal(GENERATED, facts(ELSEWHERE, x_admin_token="guess")),
    )
    assert missing.message.startswith("Missing admin token")
    assert wrong.message.startswith("Wrong admin token")
    assert wrong.code == "invalid_admin_token"
    for error in (missing, wrong):
        assert "Authorization: Bearer" in error.message
        assert "x-admin-token" in error.message
        assert "admin.token" in error.message
        assert TOKEN not in error.message
    assert "CHAT2RESPONSE_ADMIN_TOKEN" in refusal(OPEN, facts(ELSEWHERE)).message


@pytest.mark.parametrize(
    "name",
    [
        "forwarded",
        "via",
        "x_forwarded_for",
        "x_forwarded_host",
        "x_forwarded_proto",
        "x_real_ip",
        "cf_connecting_ip",
        "true_client_ip",
        "forwarded_for",
        "client_ip",
        "x_cluster_client_ip",
        "x_proxyuser_ip",
        "wl_proxy_client_ip",
        "x_envoy_external_address",
        "fastly_client_ip",
        "x_azure_clientip",
    ],
)
def test_what_comes_through_a_proxy_that_nobody_trusts_is_refused(name):
    through = facts(HERE, **{name: "127.0.0.1"}, x_admin_token=TOKEN)
    for rules in (OPEN, GENERATED, SET):
        error = refusal(rules, through)
        assert (error.status, error.code) == (403, "untrusted_proxy")
        assert f"'{name.replace('_', '-')}'" in error.message
        assert "CHAT2RESPONSE_TRUSTED_PROXIES" in error.message


TRACES = [
    "cf_ray",
    "cf_ipcountry",
    "cdn_loop",
    "x_original_url",
    "x_original_uri",
    "x_rewrite_url",
    "x_envoy_attempt_count",
    "fastly_ff",
    "x_azure_fdid",
    "x_azure_ref",
    "x_amzn_trace_id",
    "x_amz_cf_id",
    "x_arr_ssl",
    "x_arr_log_id",
    "x_appengine_country",
    "x_vercel_id",
    "fly_region",
    "proxy_connection",
    "tailscale_user_login",
    "max_forwards",
    "x_nginx_proxy",
    "x_scheme",
]


@pytest.mark.parametrize("name", TRACES)
def test_without_a_token_nothing_between_may_have_left_a_trace(name):
    for peer in (HERE, PROXY):
        rules = AdminRules(allow=networks(f"loopback, {PROXY}"))
        error = refusal(rules, facts(peer, **{name: "1"}))
        assert (error.status, error.code) == (403, "untrusted_proxy")
        assert f"'{name.replace('_', '-')}'" in error.message
    assert_admitted(GENERATED, facts(**{name: "1"}, x_admin_token=TOKEN))
    assert_admitted(OPEN, facts(PROXY, x_forwarded_for=HERE, **{name: "1"}))


@pytest.mark.parametrize("name", ["x_request_id", "traceparent", "accept", "user_agent", "x_api_version"])
def test_what_clients_send_is_no_trace(name):
    assert_admitted(OPEN, facts(**{name: "1"}))


@pytest.mark.parametrize("version", ["1.0", "0.9", ""])
def test_without_a_token_the_old_http_of_a_bare_proxy_is_refused(version):
    error = refusal(OPEN, facts(version=version))
    assert (error.status, error.code) == (403, "untrusted_proxy")
    assert "HTTP/1.1" in error.message
    assert type(refusal(AdminRules(allow=networks(PROXY)), facts(PROXY, version=version))) is Forbidden
    for rules in (GENERATED, SET):
        assert_admitted(rules, facts(version=version, x_admin_token=TOKEN))
    assert_admitted(OPEN, facts(PROXY, version=version, x_forwarded_for=HERE))


@pytest.mark.parametrize("client", [HERE, f"{ELSEWHERE}, {HERE}", f"127.0.0.1:4711, {PROXY}"])
def test_a_trusted_proxy_says_who_needs_no_token(client):
    assert_admitted(OPEN, facts(PROXY, x_forwarded_for=client))


@pytest.mark.parametrize(
    "client", [ELSEWHERE, f"{HERE}, {ELSEWHERE}", f"{HERE}, {ELSEWHERE}, {PROXY}", "", "?"]
)
def test_it_says_who_needs_one_too(client):
    assert type(refusal(OPEN, facts(PROXY, x_forwarded_for=client))) is Forbidden
    assert type(refusal(GENERATED, facts(PROXY, x_forwarded_for=client))) is Unauthorized
    assert_admitted(GENERATED, facts(PROXY, "keys.example", x_forwarded_for=client, x_admin_token=TOKEN))


def test_a_trusted_proxy_itself_is_no_address_without_a_token():
    assert type(refusal(OPEN, facts(PROXY))) is Forbidden
    assert type(refusal(OPEN, facts(PROXY, x_real_ip=HERE))) is Forbidden


def test_the_operator_says_from_where_no_token_is_needed():
    bridge = AdminRules(GENERATED.token, allow=networks("172.17.0.0/16, 2001:db8::/32"), hosts=("gateway",))
    assert_admitted(bridge, facts("172.17.0.1"))
    assert_admitted(bridge, facts("::ffff:172.17.0.1", "gateway:8088"))
    assert_admitted(bridge, facts("2001:db8::5", "Gateway"))
    assert type(refusal(bridge, facts(HERE))) is Unauthorized
    assert type(refusal(bridge, facts("172.18.0.1"))) is Unauthorized
    assert type(refusal(bridge, facts("172.17.0.1", "evil.example"))) is Forbidden


def test_a_token_that_was_set_is_asked_for_at_the_allowed_addresses_too():
    rules = AdminRules(TOKEN, always_require_token=True, allow=networks("172.17.0.0/16"))
    assert type(refusal(rules, facts("172.17.0.1"))) is Unauthorized


@pytest.mark.parametrize(
    ("host", "needed"), [(HERE, False), ("localhost", False), ("::1", False), ("10.0.0.1", True)]
)
def test_who_needs_a_token_is_known_beforehand(host, needed):
    assert GENERATED.needs_token(host) is needed
    assert SET.needs_token(host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:8088",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:8088",
        "null",
        "",
        "file://",
        "http://localhost:8088@evil.example",
        "chrome-extension://localhost:8088",
    ],
)
def test_a_page_of_another_origin_is_refused_with_a_token_too(origin):
    for rules in (OPEN, GENERATED, SET):
        error = refusal(rules, facts(origin=origin, x_admin_token=TOKEN))
        assert error.status == 403
        assert "origin" in error.message


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "something-new"])
def test_a_browser_that_says_it_is_another_page_is_believed(site):
    """A page can send a GET without Origin, but not without Sec-Fetch-Site."""
    for rules in (OPEN, GENERATED, SET):
        error = refusal(rules, facts(sec_fetch_site=site, x_admin_token=TOKEN))
        assert error.status == 403
        assert "origin" in error.message


@pytest.mark.parametrize("site", ["same-origin", "none", "None"])
def test_a_page_of_our_own_and_an_address_that_was_typed_pass(site):
    assert_admitted(OPEN, facts(sec_fetch_site=site))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8088", "localhost:8088"),
        ("http://LOCALHOST:8088", "localhost:8088"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("http://[::1]:8088", "[::1]:8088"),
    ],
)
def test_a_page_of_our_own_passes(origin, host):
    assert_admitted(OPEN, facts(host=host, origin=origin))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8088",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5:8088",
        "localhost:8088@evil.example",
        "evil.example@localhost:8088",
        "localhost:8088/evil.example",
        "localhost:port",
        "[::1",
        "",
    ],
)
def test_another_name_for_this_machine_is_refused_without_a_token(host):
    error = refusal(OPEN, facts(host=host))
    assert error.status == 403
    assert "localhost" in error.message
    assert_admitted(GENERATED, facts(host=host, x_admin_token=TOKEN))


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8088", "127.0.0.1:1", "127.1.2.3", "[::1]:8088"])
def test_the_names_of_this_machine_pass(host):
    assert_admitted(OPEN, facts(host=host))


def test_the_address_that_was_called_passes():
    assert_admitted(OPEN, facts(host="10.0.0.2:8088"))
    assert refusal(OPEN, facts(host="10.0.0.3:8088")).status == 403


def test_the_address_we_listen_on_passes():
    assert_admitted(AdminRules(host="Gateway.Internal"), facts(host="gateway.internal:8088"))
    assert_admitted(AdminRules(host="0.0.0.0"), facts(host="0.0.0.0:8088"))
    assert_admitted(AdminRules(host="2001:db8::1"), facts(host="[2001:DB8:0::1]:8088"))


@pytest.mark.parametrize("hosts", [(), ("localhost", "evil.example"), ("localhost", "localhost")])
def test_exactly_one_host_is_named(hosts):
    assert refusal(OPEN, RequestFacts(SENDER, hosts=hosts)).status == 403


def test_of_several_origins_each_counts():
    both = ("http://localhost:8088", "https://evil.example")
    assert refusal(OPEN, RequestFacts(SENDER, hosts=("localhost:8088",), origins=both)).status == 403


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""])
@pytest.mark.parametrize("length", [{"content_length": "2"}, {"transfer_encoding": "chunked"}])
def test_a_body_that_is_not_json_is_refused(media_type, length):
    for rules in (OPEN, SET):
        error = refusal(rules, facts(content_type=media_type, **length, x_admin_token=TOKEN))
        assert type(error) is UnsupportedMedia
        assert "application/json" in error.message
    assert_admitted(OPEN, facts(content_type=media_type))
    assert_admitted(OPEN, facts(content_type=media_type, content_length="0"))
    assert_admitted(OPEN, facts(content_type="Application/JSON; charset=utf-8", **length))


def test_neither_rules_nor_visits_show_a_token():
    assert TOKEN not in repr(GENERATED)
    assert TOKEN not in repr(facts(x_admin_token=TOKEN))


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
async def test_the_guard_stands_before_every_admin_endpoint(method, path, body):
    async with client(Parts.plain(admin=GENERATED), ELSEWHERE) as http:
        refused = await http.request(method, path, json=body)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "missing_admin_token"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        allowed = await http.request(method, path, json=body, headers={"x-admin-token": TOKEN})
        assert allowed.status_code == 200
    async with client(Parts.plain(admin=OPEN), ELSEWHERE) as http:
        assert (await http.request(method, path, json=body)).status_code == 403


@pytest.mark.parametrize("path", [*PATHS, *(f"{each}/anything" for each in PATHS)])
async def test_it_stands_before_what_is_to_come(path):
    """A stranger gets the same answer for existing and unknown paths."""
    assert guards(path)
    async with client(Parts.plain(admin=OPEN), ELSEWHERE) as http:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            assert (await http.request(method, path)).status_code == 403


def test_every_endpoint_is_behind_it_or_meant_for_all():
    paths = build_management(Parts.plain()).openapi()["paths"]
    assert {path for path in paths if not guards(path)} == {"/status", "/docs", "/openapi.json"}
    assert not guards("/keysmith")


async def test_it_stands_before_the_body_is_read():
    async def unread():
        raise AssertionError("the body was asked for")
        yield b""

    async with client(Parts.plain(), ELSEWHERE) as http:
        headers = {"content-type": "application/json"}
        assert (await http.post("/keys/generate", content=unread(), headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/status", "/docs", "/openapi.json"])
async def test_the_rest_is_open(path):
    async with client(Parts.plain(admin=SET), None) as http:
        assert (await http.get(path, headers={"origin": "https://a.example"})).status_code == 200
