"""The credentials of a request, and the authenticators that check them."""

import pytest

from chat2response.api.bridge.authentication import (
    Caller,
    ManagedAuthenticator,
    OpenAuthenticator,
    PassthroughAuthenticator,
    bearer,
    token_of,
)
from chat2response.api.http.request import Request
from chat2response.errors import InvalidRequest, Unauthorized
from chat2response.keys import KeyRepository, KeyService
from chat2response.observe.metrics import Metrics
from chat2response.stores import MemoryStore
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts


def request(*headers: tuple[str, str]) -> Request:
    """A request with header names in lower case, as the server passes it on."""
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]

    async def unused(*_: object) -> None:
        raise AssertionError("a gate reads no body and sends nothing")

    return Request({"headers": pairs}, unused, unused)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("", None),
        ("abc", None),
        ("Basic abc", None),
        ("Bearerabc", None),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("Bearer abc", "abc"),
        ("bEARER   a b ", "a b"),
    ],
)
def test_a_bearer_is_read_whatever_its_case(value: str | None, token: str | None) -> None:
    assert bearer(value) == token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([], None),
        ([("authorization", "Bearer a")], "a"),
        ([("x-api-key", "a")], "a"),
        ([("api-key", " a ")], "a"),
        ([("x-api-key", "")], None),
        ([("authorization", "Bearer")], ""),
        ([("authorization", "Bearer"), ("x-api-key", "a")], "a"),
        ([("authorization", "Bearer a"), ("x-api-key", "")], "a"),
        ([("authorization", "Basic b"), ("api-key", "a")], "a"),
        ([("authorization", "Bearer a"), ("x-api-key", "a"), ("api-key", "a")], "a"),
        ([("authorization", "Bearer a"), ("authorization", "BEARER a")], "a"),
        ([("x-other", "1"), ("x-other", "2"), ("authorization", "Bearer a")], "a"),
    ],
)
def test_one_key_is_found_wherever_it_is(headers: list[tuple[str, str]], token: str | None) -> None:
    assert token_of(request(*headers)) == token


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ([("authorization", "Bearer a"), ("x-api-key", "b")], "(authorization, x-api-key)"),
        ([("x-api-key", "a"), ("api-key", "b")], "(x-api-key, api-key)"),
        ([("api-key", "a"), ("authorization", "Bearer b")], "(api-key, authorization)"),
        ([("authorization", "Bearer a"), ("authorization", "Bearer b")], "(authorization)"),
        ([("x-api-key", "a"), ("x-api-key", "b")], "(x-api-key)"),
    ],
)
def test_two_that_differ_are_refused_by_their_headers_names(
    headers: list[tuple[str, str]], names: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        token_of(request(*headers))
    assert names in refused.value.message
    assert refused.value.code == "conflicting_credentials"


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ([], None),
        ([("authorization", "bearer  x~y")], "bearer  x~y"),
        ([("x-api-key", "k")], "Bearer k"),
        ([("api-key", "k")], "Bearer k"),
        ([("authorization", "BEARER k"), ("api-key", "k")], "BEARER k"),
        ([("authorization", "Basic b"), ("x-api-key", "k")], "Bearer k"),
        ([("authorization", "Basic b")], None),
    ],
)
async def test_what_goes_up_in_passthrough(headers: list[tuple[str, str]], sent: str | None) -> None:
    assert await PassthroughAuthenticator().authenticate(request(*headers), "chat") == Caller(
        authorization=sent
    )


async def test_open_lets_anybody_in_and_keeps_nothing_of_theirs() -> None:
    for headers in ([], [("authorization", "Bearer a"), ("x-api-key", "b")]):
        assert await OpenAuthenticator().authenticate(request(*headers), "chat") == Caller("open")


async def test_managed_counts_what_it_decides() -> None:
    clock, metrics = Clock(), Metrics()
    service, verifier = key_parts(MemoryStore(clock=clock), clock=clock)
    issued = await service.generate()
    authenticator = ManagedAuthenticator(verifier, service.repository.last_used, metrics)

    for name in ("x-api-key", "api-key"):
        assert await authenticator.authenticate(request((name, issued.token)), "chat") == Caller(
            issued.key.id, issued.key
        )
    for headers in ([], [("x-api-key", "nonsense")]):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(request(*headers), "chat")

    assert metrics.key_checks == {"ok": 2, "refused": 2}


async def test_a_key_of_ours_is_not_passed_through() -> None:
    issued = await KeyService(KeyRepository(MemoryStore(), clock=Clock())).generate(label="stray")
    for header in (("authorization", f"Bearer {issued.token}"), ("x-api-key", issued.token)):
        with pytest.raises(Unauthorized) as refused:
            await PassthroughAuthenticator().authenticate(request(header), "chat")
        assert "CHAT2RESPONSE_AUTH_MODE=managed" in refused.value.message
        assert issued.token not in refused.value.message
