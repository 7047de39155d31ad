from __future__ import annotations

from bench.measure import Sample
from bench.rows import ROWS, Row
from bench.table import describe, render

NAMES = ["direct", "proxy", "block", "gateway"]
TIMES = {"p50": 1.25, "p99": 12.5}


def row(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def cells(value: float | None, rounds: int = 9) -> list[Sample]:
    return [Sample(value, 0, {"latency_ms": TIMES, "first_ms": TIMES})] * rounds


def line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_a_row_shows_every_figure_the_comparison_the_target_and_the_verdict():
    samples = {"direct": cells(None), "proxy": cells(14.8), "block": cells(172.0), "gateway": cells(150.5)}

    shown = line(render([row("json-c16")], {"json-c16": samples}, NAMES), "json-c16")

    assert shown.split() == [
        "json-c16", "us/request", "-", "14.8", "172", "150", "0.88x", "block", "[0.88,", "0.88]",
        "<=", "1.1x", "(0.20", "ms)", "met",
    ]  # fmt: skip


def test_rows_stand_under_the_title_of_their_mode():
    rows = [row("flood"), row("relay-chat-flood")]
    results = {each.name: {"block": cells(7.4), "gateway": cells(5.1)} for each in rows}

    lines = render(rows, results, ["block", "gateway"]).splitlines()

    assert lines.index("Responses on Chat, key check") < lines.index("Relay, Chat on Chat")


def test_an_interval_that_is_not_worth_95_percent_says_so():
    samples = {"block": cells(7.4, 3), "gateway": cells(5.1, 3)}

    assert "(75%)" in line(render([row("flood")], {"flood": samples}, ["block", "gateway"]), "flood")


def test_one_round_has_no_interval():
    samples = {"block": cells(7.4, 1), "gateway": cells(5.1, 1)}

    assert "(one round)" in line(render([row("flood")], {"flood": samples}, ["block", "gateway"]), "flood")


def test_wall_clock_times_stand_in_a_table_of_their_own():
    text = render([row("json-c1")], {"json-c1": {"direct": cells(None)}}, ["direct"])

    assert line(text.partition("wall clock")[2], "json-c1").split() == ["json-c1", "1.25", "/", "12.5"]


def test_columns_are_aligned():
    results = {name: {"block": cells(7.4), "gateway": cells(512.0)} for name in ("flood", "burst")}

    first, second = render([row("flood"), row("burst")], results, ["block", "gateway"]).splitlines()[2:4]

    assert first.index("x block") == second.index("x block")


def test_the_list_names_every_row_with_its_target():
    text = describe(ROWS)

    assert len(text.splitlines()) == len(ROWS)
    assert "<= 3x to proxy" in line(text, "relay-chat-paced")
    assert "no target" in line(text, "invalid-key")


def test_another_checkout_is_a_table_of_its_own_judged_by_its_median():
    rows = [row("flood"), row("json-c16")]
    results = {
        "flood": {"before": cells(5.0), "gateway": cells(5.5)},
        "json-c16": {"before": cells(100.0), "gateway": cells(111.0)},
    }

    changes = render(rows, results, ["gateway", "before"]).partition("gateway against before")[2]

    assert line(changes, "flood").split() == ["flood", "1.100x", "[1.10,", "1.10]", "met"]
    assert line(changes, "json-c16").split()[-1] == "MISSED"
