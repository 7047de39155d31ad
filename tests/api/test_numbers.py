"""Absurd numbers, dates and cursors get a 400 on every store, never a 500."""

import base64
from typing import Any

import httpx
import pytest

from chat2response.keys.expiry_policy import MAX_TIMESTAMP
from chat2response.keys.repository import MIN_PURGE_AGE
from tests.support.clock_and_ids import Clock
from tests.support.management_client import Parts

HUGE = ("1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1e400", "1e308", "1.5", "-1")
DIGEST = f"$c2r-sha256${'0' * 32}${'0' * 64}"
FIELDS = [
    ("generate", "ttl_seconds", ""),
    ("generate", "expires_at", ""),
    ("set_expiration", "ttl_seconds", ',"id":"%s"'),
    ("set_expiration", "expires_at", ',"id":"%s"'),
    ("rotate", "grace_seconds", ',"id":"%s"'),
    ("purge", "older_than_seconds", ""),
    ("purge", "limit", ',"older_than_seconds":86400'),
    ("import", "ttl_seconds", f',"id":"{"0" * 32}","digest":"{DIGEST}"'),
    ("import", "expires_at", f',"id":"{"0" * 32}","digest":"{DIGEST}"'),
    ("generate", "label", ""),
    ("update", "metadata", ',"id":"%s"'),
]
LIMITS = (
    "requests_per_minute",
    "concurrent_requests",
    "tokens_per_day",
    "cost_per_month",
    "max_output_tokens",
)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


PLACES = [
    *("[1,[],false]", "[{},[],false]", "[[],[],1]", '["",[],2]', '["x",[],false]', '["9:9",[],false]'),
    *("[null,[1],false]", "[null,[[]],false]", '[null,["ab"],false]', "null", "{}", '["-1",[],false]'),
    '["%s",[],false]' % ("9" * 400),
]


async def post(http: httpx.AsyncClient, path: str, body: str) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return await http.post(f"/keys/{path}", content=body.encode(), headers=headers)


async def test_a_number_that_nobody_means_is_a_400(
    http: httpx.AsyncClient, parts: Parts, clock: Clock
) -> None:
    await parts.keys.generate(ttl_seconds=1)  # one that is dead, so that a purge looks at its age
    issued = (await parts.keys.generate()).key.id
    clock.advance(MIN_PURGE_AGE * 2)
    for path, field, rest in FIELDS:
        for number in HUGE:
            body = f'{{"{field}":{number}{rest.replace("%s", issued)}}}'
            allowed = (200, 400) if field == "limit" else (400,)
            assert (await post(http, path, body)).status_code in allowed, (path, field, number[:20])
    for name in LIMITS:
        for number in HUGE:
            answer = await post(http, "update", f'{{"id":"{issued}","limits":{{"{name}":{number}}}}}')
            assert answer.status_code == 400, (name, number[:20])
    answer = await post(http, "purge", f'{{"older_than_seconds":{MAX_TIMESTAMP}}}')
    assert answer.json() == {"purged": 0, "more": False}
    assert (await post(http, "purge", f'{{"older_than_seconds":{MIN_PURGE_AGE}}}')).json()["purged"] == 1


async def test_so_is_one_in_a_query(http: httpx.AsyncClient) -> None:
    for path, names in (("/keys", ("limit", "expiring_within")), ("/audit", ("limit",))):
        for name in names:
            for text in (*HUGE, "", "x", "²", "٣", " 1", "%0a"):
                answer = await http.get(path, params={name: text})
                assert answer.status_code == 400, (path, name, text[:20])


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:20])
async def test_so_is_a_cursor_that_this_list_has_not_given(http: httpx.AsyncClient, place: str) -> None:
    answer = await http.get("/keys", params={"cursor": cursor(place)})
    # A cursor of memory or SQLite is the name that comes before: any name is one.
    assert answer.status_code in (
        (200, 400) if place.startswith('["') and place.endswith("],false]") else (400,)
    )
    assert (await http.get("/audit", params={"cursor": cursor(place)})).status_code == 400


@pytest.mark.parametrize("path", ["/usage", f"/keys/{'0' * 32}/usage"])
async def test_days_at_the_ends_of_the_calendar_are_days(http: httpx.AsyncClient, path: str) -> None:
    """Future days have no usage, and are not read one by one."""
    for first, last in (("0001-01-01", None), (None, "0001-01-01"), ("0001-01-01", "9999-12-31")):
        body: dict[str, Any] = {"from": first, "to": last}
        answer = await http.get(path, params={name: day for name, day in body.items() if day})
        assert (answer.status_code, answer.json()["data"]) == (200, []), (first, last)
        assert answer.json()["to"] <= "2030"
    assert (await http.get(path, params={"to": "10000-01-01"})).status_code == 400
