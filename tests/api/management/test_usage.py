"""`GET /usage` and `GET /keys/{id}/usage`."""

import csv
import io
from typing import Any

import pytest

from chat2response.convert.usage import from_chat
from chat2response.quota.usage_log import UsageTotals
from tests.support.management_client import Parts, client

DAY = 86_400
ONE = UsageTotals(requests=1, input_tokens=11, cached_tokens=3, output_tokens=7, reasoning_tokens=2, cost=50)
USAGE = from_chat(
    {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
)
SMALL = from_chat({"prompt_tokens": 1, "completion_tokens": 1})
FREE = UsageTotals(requests=1, input_tokens=1, output_tokens=1, unpriced=1, estimated=1)
FIRST, SECOND = "a" * 32, "b" * 32


def parts() -> Parts:
    """Two keys, two models, two days; the usage of the second day is not stored yet."""
    result = Parts.plain()
    result.usage.note(FIRST, "m1", USAGE, 50)
    result.usage.note(FIRST, "m2", SMALL, estimated=True)
    result.usage.note(SECOND, "m1", USAGE, 50)
    result.clock.now += DAY
    result.usage.note(FIRST, "m1", USAGE, 50)
    return result


async def ask(result: Parts, path: str, **query: str) -> Any:
    async with client(result) as http:
        answer = await http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer


async def test_all_keys_by_key_and_model() -> None:
    result = parts()
    reported = await ask(result, "/usage")
    assert (reported["object"], reported["to"], reported["group_by"]) == (
        "list",
        str(result.usage.today()),
        ["key", "model"],
    )
    assert [(row["key"], row["model"], row["requests"], row["cost"]) for row in reported["data"]] == [
        (FIRST, "m1", 2, 100),
        (FIRST, "m2", 1, 0),
        (SECOND, "m1", 1, 50),
    ]
    assert reported["total"] == ONE.plus(ONE).plus(ONE).plus(FREE).document()
    assert (reported["total"]["unpriced"], reported["total"]["estimated"]) == (1, 1)


async def test_one_key_by_model_and_day() -> None:
    result = parts()
    await result.usage.write_behind.flush()
    today = str(result.usage.today())
    reported = await ask(result, f"/keys/{FIRST}/usage")
    assert [(row["model"], row["day"] == today, row["requests"]) for row in reported["data"]] == [
        ("m1", False, 1),
        ("m1", True, 1),
        ("m2", False, 1),
    ]
    assert (await ask(result, f"/keys/{'c' * 32}/usage"))["data"] == []  # an unknown key has used nothing


async def test_days_and_groups_are_the_askers_choice() -> None:
    result = parts()
    today = str(result.usage.today())
    reported = await ask(result, "/usage", **{"from": today, "group_by": "day"})
    assert [(row["day"], row["requests"]) for row in reported["data"]] == [(today, 1)]
    assert set(reported["data"][0]) == {"day", *ONE.document()}
    reported = await ask(result, "/usage", **{"from": "1970-01-01", "to": today, "group_by": ""})
    assert reported["from"] == str(result.usage.first_day())  # older days are not kept
    assert [row["requests"] for row in reported["data"]] == [4]


async def test_nothing_was_used() -> None:
    result = await ask(Parts.plain(), "/usage")
    assert (result["data"], result["total"]) == ([], UsageTotals().document())


async def test_csv_with_nothing_a_spreadsheet_would_run() -> None:
    result = Parts.plain()
    result.usage.note(FIRST, "=1+1", USAGE, 50)
    answer = await ask(result, "/usage", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["key"], row["model"], row["input_tokens"], row["cost"]) == (FIRST, "'=1+1", "11", "50")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"group_by": "owner"}, "group_by"),
        ({"group_by": "key,key"}, "group_by"),
        ({"format": "xml"}, "format"),
        ({"since": "2026-11-26"}, "since"),
    ],
)
async def test_what_cannot_be_meant_is_named(query: dict[str, str], param: str) -> None:
    async with client(Parts.plain()) as http:
        for path in ("/usage", f"/keys/{FIRST}/usage"):
            answer = await http.get(path, params=query)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
